/** Tokens that are wrong before their signature is looked at, for both gateways; each is signed by a key that they know. */
import { sign, type KeyObject } from 'node:crypto'

const HEADER = { alg: 'EdDSA', kid: 'ed', typ: 'JWT' }
const CLAIMS = { exp: 9_999_999_999, sub: 'x' }

/** What a token holds: header and payload as JSON would write them, or as they are where they are text. */
const MALFORMED: Record<string, [header: unknown, payload: unknown]> = {
  'a kid that is a number': [{ ...HEADER, kid: 1 }, CLAIMS],
  'a kid that is an array': [{ ...HEADER, kid: ['ed'] }, CLAIMS],
  'a kid that is an object': [{ ...HEADER, kid: { ed: 'ed' } }, CLAIMS],
  'a kid that is true': [{ ...HEADER, kid: true }, CLAIMS],
  'a kid that is false': [{ ...HEADER, kid: false }, CLAIMS],
  'a kid that is null': [{ ...HEADER, kid: null }, CLAIMS],
  'an empty kid': [{ ...HEADER, kid: '' }, CLAIMS],
  'a kid of 7000 characters': [{ ...HEADER, kid: 'e'.repeat(7_000) }, CLAIMS],
  'a second kid that is a number': ['{"alg":"EdDSA","kid":"ed","kid":7}', CLAIMS],
  'a kid among the claims': [HEADER, { ...CLAIMS, kid: 'ed' }],
  'a kid among the claims that is null': [HEADER, { ...CLAIMS, kid: null }],
  'a kid among the claims that is an array': [HEADER, { ...CLAIMS, kid: ['ed'] }],
  'a kid among the claims in escapes': [HEADER, String.raw`{"\u006Bi\u0064":7,"exp":9999999999}`],
  'an alg that is a number': [{ ...HEADER, alg: 1 }, CLAIMS],
  'an alg that is null': [{ ...HEADER, alg: null }, CLAIMS],
  'a header that is null': ['null', CLAIMS],
  'a header that is a number': ['1', CLAIMS],
  'a header that is true': ['true', CLAIMS],
  'a header that is text': ['"kid"', CLAIMS],
  'a header that is an array': ['["EdDSA"]', CLAIMS],
  'an empty header': ['', CLAIMS],
  'a header that is an empty object': ['{}', CLAIMS],
  'a header that is no JSON': ['{"alg":"EdDSA","kid":"ed"', CLAIMS],
  'a header with a control character': ['{"alg":"EdDSA","kid":"e\u0000d"}', CLAIMS],
  'a payload that is null': [HEADER, 'null'],
  'a payload that is a number': [HEADER, '7'],
  'a payload that is true': [HEADER, 'true'],
  'a payload that is false': [HEADER, 'false'],
  'a payload that is text': [HEADER, '"text"'],
  'a payload that is an array': [HEADER, '[1]'],
  'an empty payload': [HEADER, ''],
}

function encode(part: unknown): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
}

/** A token of these parts, signed with `key`, an Ed25519 key. */
function signParts(key: KeyObject, header: unknown, payload: unknown): string {
  const content = `${encode(header)}.${encode(payload)}`
  return `${content}.${sign(null, Buffer.from(content), key).toString('base64url')}`
}

/** A token of the right form. */
export function wellFormedToken(key: KeyObject): string {
  return signParts(key, HEADER, CLAIMS)
}

/** What is wrong, and the token. */
export function malformedTokens(key: KeyObject): [string, string][] {
  const good = wellFormedToken(key)
  const [header = '', payload = '', signature = ''] = good.split('.')
  return [
    ...Object.entries(MALFORMED).map(([what, parts]): [string, string] => [what, signParts(key, ...parts)]),
    ['one part', 'nonsense'],
    ['two parts', `${header}.${payload}`],
    ['a part too many', `${good}.x`],
    ['an empty signature', `${header}.${payload}.`],
    ['a short signature', `${header}.${payload}.${signature.slice(0, 40)}`],
    ['a long signature', `${good}AAAA`],
    ['a header that is not base64', `!${header}.${payload}.${signature}`],
    ['a payload of standard base64', `${header}.${payload}+/.${signature}`],
    ['padding', `${header}=.${payload}.${signature}`],
    ['a header of one character', `e.${payload}.${signature}`],
    ['dots only', '..'],
  ]
}
