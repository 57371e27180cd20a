/** Lets only valid platform tokens through: known key, right algorithm, fitting signature, not expired. */
import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { ANSWERS } from '../../answers.ts'
import { BEARER, KID_CLAIM, TOKEN, TOKEN_HEADER, TOKEN_PAYLOAD } from '../../token-form.ts'
import type { Answer, CreatePlugin, Exchange, PluginContext } from '../plugin.ts'

const Config = z.strictObject({
  claims_to_verify: z.tuple([z.literal('exp')]),
  key_claim_name: z.string(),
  header_names: z.tuple([z.literal('authorization')]),
  uri_param_names: z.tuple([]),
  cookie_names: z.tuple([]),
  run_on_preflight: z.literal(false),
})

const PATTERNS = {
  bearer: new RegExp(BEARER, 'i'),
  token: new RegExp(TOKEN),
  header: new RegExp(TOKEN_HEADER),
  payload: new RegExp(TOKEN_PAYLOAD),
  kidClaim: new RegExp(KID_CLAIM),
}
const MISSING: Answer = { failure: ANSWERS.tokenMissing }
const INVALID: Answer = { failure: ANSWERS.tokenInvalid }
const EXPIRED: Answer = { failure: ANSWERS.tokenExpired }

interface Key {
  algorithm: string
  key: KeyObject
}

export const createJwt: CreatePlugin = (config, context) => {
  const { key_claim_name } = Config.parse(config)
  const keys = readKeys(context)
  // a signature costs more to check than everything else about a cheap call
  const checked = context.checkedTokens

  function access({ request, method }: Exchange): Answer | undefined {
    if (method === 'OPTIONS') return undefined
    const token = PATTERNS.bearer.exec(request.headers.authorization ?? '')?.[1]
    if (token === undefined) return MISSING
    const expires = checked.get(token) ?? readExpiry(token, keys, key_claim_name)
    if (expires === undefined) return INVALID
    if (expires <= Date.now()) return EXPIRED
    checked.set(token, expires)
    return undefined
  }

  return { access }
}

function readKeys({ consumers }: PluginContext): ReadonlyMap<string, Key> {
  const secrets = consumers.flatMap((consumer) => consumer.jwt_secrets ?? [])
  return new Map(
    secrets.map(({ key, algorithm, rsa_public_key }) => [
      key,
      { algorithm, key: createPublicKey(rsa_public_key) },
    ]),
  )
}

/** When a token with a fitting signature expires, in milliseconds; undefined where anything is wrong with it. */
function readExpiry(token: string, keys: ReadonlyMap<string, Key>, keyClaim: string): number | undefined {
  const { header, claims } = readParts(token) ?? {}
  const key = keys.get(header?.[keyClaim] ?? '')
  if (key === undefined || key.algorithm !== header?.['alg'] || typeof claims?.['exp'] !== 'number')
    return undefined
  const end = token.lastIndexOf('.')
  const signature = Buffer.from(token.slice(end + 1), 'base64url')
  return verifySignature(key, Buffer.from(token.slice(0, end)), signature) ? claims['exp'] * 1000 : undefined
}

/** Header and claims of a token of the right form; nothing is known of its signature yet. */
function readParts(token: string) {
  const [, head = '', body = ''] = PATTERNS.token.exec(token) ?? []
  const header = Buffer.from(head, 'base64url').toString()
  const payload = Buffer.from(body, 'base64url').toString()
  if (!PATTERNS.header.test(header) || !PATTERNS.payload.test(payload) || PATTERNS.kidClaim.test(payload))
    return undefined
  try {
    return {
      header: JSON.parse(header) as Record<string, string>, // reason: the pattern lets an object of strings through, nothing else
      claims: JSON.parse(payload) as Record<string, unknown>, // reason: it starts as an object
    }
  } catch {
    return undefined
  }
}

function verifySignature({ algorithm, key }: Key, data: Buffer, signature: Buffer): boolean {
  if (algorithm === 'EdDSA') return verify(null, data, key, signature)
  return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature)
}
