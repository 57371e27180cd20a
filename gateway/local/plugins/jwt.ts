/** Lets only valid platform tokens through: known key, right algorithm, fitting signature, not expired. */
import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { ANSWERS } from '../../answers.ts'
import type { Answer, CreatePlugin, Exchange, PluginContext } from '../plugin.ts'

const Config = z.strictObject({
  claims_to_verify: z.tuple([z.literal('exp')]),
  key_claim_name: z.string(),
  header_names: z.tuple([z.literal('authorization')]),
  uri_param_names: z.tuple([]),
  cookie_names: z.tuple([]),
  run_on_preflight: z.literal(false),
})

const BEARER = /^\s*bearer\s+(\S+)\s*$/i
const CHALLENGE = { 'www-authenticate': 'Bearer' }
const MISSING: Answer = { failure: ANSWERS.tokenMissing, headers: CHALLENGE }
const INVALID: Answer = { failure: ANSWERS.tokenInvalid, headers: CHALLENGE }
const EXPIRED: Answer = { failure: ANSWERS.tokenExpired, headers: CHALLENGE }

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
    const token = BEARER.exec(request.headers.authorization ?? '')?.[1]
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
  const [head = '', payload = '', signature = '', ...more] = token.split('.')
  const header = decode(head)
  const claims = decode(payload)
  if (header === undefined || claims === undefined || more.length > 0) return undefined
  const key = keys.get(String(claims[keyClaim] ?? header[keyClaim]))
  if (key === undefined || key.algorithm !== header['alg'] || typeof claims['exp'] !== 'number')
    return undefined
  const fits = verifySignature(key, Buffer.from(`${head}.${payload}`), Buffer.from(signature, 'base64url'))
  return fits ? claims['exp'] * 1000 : undefined
}

function verifySignature({ algorithm, key }: Key, data: Buffer, signature: Buffer): boolean {
  if (algorithm === 'EdDSA') return verify(null, data, key, signature)
  return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature)
}

function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
