import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ANSWER_BY_STATUS, ANSWERS } from '../../../gateway/answers.ts'
import { PROBLEM_BODY_LUA, PROBLEM_HEADERS_LUA } from '../../../gateway/kong/problem-lua.ts'
import {
  countRequestsLua,
  CREDENTIALS_LUA,
  requestLua,
  SEND_ONCE_LUA,
  TOKEN_TAG,
  TRACE_LUA,
} from '../../../gateway/kong/request-lua.ts'
import { EVENT_STRIPPED_PREFIXES, STRIPPED_PREFIXES } from '../../../gateway/kong/stripped-headers.ts'
import { Problem } from '../../../shared/problem.ts'
import { openLuaSandbox, type LuaAnswer, type LuaRequest, type LuaSandbox } from './kong-lua.ts'
import { malformedTokens, wellFormedToken } from './malformed-tokens.ts'

const { privateKey } = generateKeyPairSync('ed25519')
let kong: LuaSandbox

beforeAll(async () => {
  kong = await openLuaSandbox()
})
afterAll(() => {
  kong.close()
})

describe('CREDENTIALS_LUA', () => {
  const run = (headers: LuaRequest['headers'] = {}, more: LuaRequest = {}) =>
    kong.request({ tags: [TOKEN_TAG], headers, ...more }, [CREDENTIALS_LUA])
  const token = wellFormedToken(privateKey)
  const invalid = { status: 401, code: 'CREDENTIALS_INVALID', challenge: 'Bearer error="invalid_token"' }
  const missing = { status: 401, code: 'CREDENTIALS_MISSING', challenge: 'Bearer, ApiKey' }

  test('lets a token of the right form through, for the plugin to check', () => {
    expect(run({ authorization: `Bearer ${token}` }).exit).toBeUndefined()
  })

  test.each(malformedTokens(privateKey))(
    'answers 401 to a token with %s, which Kong would fail on',
    (_what, bad) => {
      expect(run({ authorization: `Bearer ${bad}` }).exit).toEqual(invalid)
    },
  )

  test.each(['bearer', 'BEARER', 'Bearer', 'bEaReR'])('takes the scheme "%s" as Kong spells it', (scheme) => {
    const { headers, exit } = run({ authorization: ` ${scheme}  ${token} ` })
    expect(exit).toBeUndefined()
    expect(headers['authorization']).toBe(`Bearer ${token}`)
  })

  test.each([
    ['none', {}],
    ['Basic', { authorization: 'Basic bearer x.y.z' }],
    ['no scheme', { authorization: token }],
  ])('answers 401 where a token is needed and there is none: %s', (_what, headers) => {
    expect(run(headers).exit).toEqual(missing)
  })

  test('leaves routes that need no token, and preflight requests, to others', () => {
    expect(run({ authorization: 'Bearer x' }, { tags: [] }).exit).toBeUndefined()
    expect(run({}, { method: 'OPTIONS' }).exit).toBeUndefined()
  })

  test.each<[string, LuaRequest['headers']]>([
    ['a token and a key', { authorization: `Bearer ${token}`, 'x-api-key': 'kg_a_b' }],
    ['a bad token and a key of another kind', { authorization: 'Bearer x', 'x-api-key': 'mine' }],
    ['two tokens', { authorization: [`Bearer ${token}`, `Bearer ${token}`] }],
    ['two keys', { 'x-api-key': ['kg_a_b', 'kg_a_b'] }],
  ])('answers 400 to %s, on every route', (_what, headers) => {
    const challenge = 'Bearer error="invalid_request"'
    const expected = { status: 400, code: 'CREDENTIALS_AMBIGUOUS', challenge }
    expect(run(headers).exit).toEqual(expected)
    expect(run(headers, { tags: [] }).exit).toEqual(expected)
  })
})

describe('TRACE_LUA', () => {
  const run = (headers: LuaRequest['headers'] = {}, samplingRate = 1) =>
    kong.request({ headers, samplingRate }, [TRACE_LUA]).headers
  const made = '00-0123456789abcdef0123456789abcdef-fedcba9876543210'

  test('keeps a trace, its decision and its state', () => {
    const headers = {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00',
      tracestate: 'a=1',
    }
    expect(run(headers)).toEqual(headers)
  })

  test.each([
    ['nothing', undefined],
    ['text', 'nonsense'],
    ['capitals', '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01'],
    ['a trace of zeros', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`],
    ['a span of zeros', `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`],
    ['another version', 'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    ['a part too many', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x'],
    ['two of them', Array<string>(2).fill('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')],
  ])('begins a trace in place of %s, without the state of another', (_what, traceparent) => {
    const headers = { tracestate: 'a=1', ...(traceparent === undefined ? {} : { traceparent }) }
    expect(run(headers)).toEqual({ traceparent: `${made}-01` })
  })

  test('samples as configured, by the id', () => {
    // 0xefcdab89 of 2^32 is 0.937
    for (const [rate, flag] of [
      [0, '00'],
      [0.93, '00'],
      [0.94, '01'],
      [1, '01'],
    ] as const)
      expect(run({}, rate)['traceparent']).toBe(`${made}-${flag}`)
  })
})

test('countRequestsLua() counts each address by itself, whatever becomes of its requests', () => {
  const run = (client: string) => kong.request({ client }, [countRequestsLua(2)]).exit?.code
  expect(['a', 'a', 'a', 'b'].map(run)).toEqual([undefined, undefined, 'RATE_LIMITED', undefined])
})

test('requestLua() counts a request before it looks at its credentials', () => {
  const [, count = '', , credentials = ''] = requestLua(STRIPPED_PREFIXES)
  expect([count, credentials]).toEqual([expect.stringContaining(':incr('), CREDENTIALS_LUA])
})

test('requestLua() leaves headers behind by prefix', () => {
  const headers = { 'ce-id': '1', 'x-tenant-id': '2', 'k-anything': '3', cell: '4' }
  const run = (prefixes: readonly string[]) =>
    Object.keys(kong.request({ headers: { ...headers } }, requestLua(prefixes)).headers).sort()
  expect(run(STRIPPED_PREFIXES)).toEqual(['cell', 'traceparent'])
  expect(run(EVENT_STRIPPED_PREFIXES)).toEqual(['ce-id', 'cell', 'traceparent'])
})

test('SEND_ONCE_LUA lets nginx take what it may not repeat for LOCK, and nothing else', () => {
  const methods = ['GET', 'DELETE', 'PUT', 'POST', 'PATCH', 'HEAD', 'OPTIONS']
  const taken = methods.map((method) => kong.request({ method }, [SEND_ONCE_LUA]).method)
  expect(taken.join()).toBe('LOCK,LOCK,LOCK,POST,PATCH,HEAD,OPTIONS')
})

describe('answers of Kong itself', () => {
  const HTML = '<html><body><center><h1>501 Not Implemented</h1></center></body></html>'
  const answer = (given: LuaAnswer, path?: string) =>
    kong.answer(given, [PROBLEM_HEADERS_LUA, PROBLEM_BODY_LUA], path)
  const read = ({ body }: LuaAnswer) => Problem.parse(JSON.parse(body))

  test.each(Object.entries(ANSWER_BY_STATUS))('are problems: %s', (status, failure) => {
    const headers = { 'content-type': 'text/html', 'content-length': String(HTML.length) }
    const given = answer({ status: Number(status), headers, body: HTML }, '/v1/x')
    const expected = status === '502' ? 503 : Number(status)
    expect(given.status).toBe(expected)
    expect(given.headers).not.toHaveProperty('content-length')
    expect(given.headers['content-type']).toBe('application/problem+json')
    expect(read(given)).toMatchObject({ code: failure.code, status: expected, path: '/v1/x' })
  })

  // The length is all that is known when the status is written; the text is Kong 3.9's.
  test.each([
    ['text/plain; charset=utf-8', (text: string) => `${text}\nrequest_id: ${'a'.repeat(32)}\n`],
    [
      'application/json; charset=utf-8',
      (text: string) => `{\n  "message":"${text}",\n  "request_id":"${'a'.repeat(32)}"\n}`,
    ],
  ])('are 431 where a header was too large, and 400 where it was malformed: %s', (type, write) => {
    const [large, malformed] = ['Request header or cookie too large', 'Bad request'].map((text) => {
      const body = write(text)
      const headers = { 'content-type': type, 'content-length': String(body.length) }
      return answer({ status: 400, headers, body })
    })
    expect([large?.status, read(large as LuaAnswer).code]).toEqual([431, 'HEADERS_TOO_LARGE'])
    expect([malformed?.status, read(malformed as LuaAnswer).code]).toEqual([400, 'REQUEST_SYNTAX'])
  })

  test('say what the snippets found, and that a token expired', () => {
    const code = (status: number, body: string) => read(answer({ status, headers: {}, body })).code
    expect(code(400, ANSWERS.twoCredentials.code)).toBe('CREDENTIALS_AMBIGUOUS')
    expect(code(401, ANSWERS.tokenMissing.code)).toBe('CREDENTIALS_MISSING')
    expect(code(401, '{"exp":"token expired"}')).toBe('TOKEN_EXPIRED')
    expect(code(401, '{"message":"Invalid signature"}')).toBe('CREDENTIALS_INVALID')
  })

  test('keep their challenge, and have Retry-After where trying again makes sense', () => {
    const challenge = { 'www-authenticate': 'Bearer error="invalid_token"' }
    expect(answer({ status: 401, headers: { ...challenge }, body: '' }).headers).toMatchObject(challenge)
    expect(answer({ status: 503, headers: {}, body: '' }).headers['retry-after']).toBe('1')
    expect(answer({ status: 405, headers: {}, body: '' }).headers['allow']).toContain('POST')
  })

  test('are left alone where a function gave them, or nobody knows them', () => {
    const own: LuaAnswer = { status: 400, headers: { 'content-type': 'text/x' }, body: 'own' }
    expect(answer({ ...own, source: 'service' })).toEqual(own)
    expect(answer({ ...own, status: 200, source: 'exit' })).toEqual({ ...own, status: 200 })
  })

  test('write no path that could break out of the text', () => {
    const given = answer({ status: 404, headers: {}, body: '' }, '/a"\\b\u0001%20ä')
    expect(read(given).path).toBe('/ab%20')
  })
})
