/**
 * Who calls, as the verified credential says it, and nothing that the request says besides. An API key is exchanged for
 * a token at the one function that knows keys.
 */
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { Failure } from '../../shared/failures.ts'
import { readCredential } from '../../shared/http/credential.ts'
import type { StoredIdentity } from '../../shared/identity/identity.ts'
import type { VerifyToken } from '../../shared/identity/tokens.ts'
import type { Functions } from './functions.ts'

/** Answers the caller, or undefined where the credential names none. */
export type ReadCaller = (headers: IncomingHttpHeaders) => Promise<StoredIdentity | undefined>

const Issued = z.object({ access_token: z.string(), expires_in: z.number() })
const REMEMBERED_KEYS = 10_000
/** A key may be revoked meanwhile; functions forget it as soon. */
const REMEMBERED_MS = 3_000

export function createCallerReader(verify: VerifyToken, functions: Functions): ReadCaller {
  const callers = new LRUCache<string, StoredIdentity>({ max: REMEMBERED_KEYS, ttl: REMEMBERED_MS })

  async function callerIn(token: string): Promise<StoredIdentity | undefined> {
    try {
      return await verify(token)
    } catch (error) {
      if (error instanceof Failure) return undefined
      throw error
    }
  }

  async function exchange(key: string): Promise<StoredIdentity | undefined> {
    const name = createHash('sha256').update(key).digest('base64url')
    const remembered = callers.get(name)
    if (remembered !== undefined) return remembered
    const { status, body } = await functions.callJson('issue-token', {
      method: 'POST',
      path: '/v1/auth/token',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: Buffer.from('{}'),
    })
    const issued = Issued.safeParse(body)
    if (status !== 200 || !issued.success) return undefined
    const caller = await callerIn(issued.data.access_token)
    if (caller !== undefined) callers.set(name, caller)
    return caller
  }

  return async (headers) => {
    const credential = readCredential(headers)
    if (credential.kind === 'api-key') return exchange(credential.key)
    return credential.kind === 'token' ? callerIn(credential.token) : undefined
  }
}
