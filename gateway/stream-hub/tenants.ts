/**
 * Whose log a caller may read: the tenant of its verified credential, and nothing that the request says besides. An
 * API key is exchanged for a token at the one function that knows keys.
 */
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { Failure } from '../../shared/failures.ts'
import type { Functions } from './functions.ts'

export type VerifyTenant = (token: string) => Promise<{ tenant: string }>

/** Answers the tenant, or undefined where the credential names none. */
export type ReadTenant = (headers: IncomingHttpHeaders) => Promise<string | undefined>

const Issued = z.object({ access_token: z.string(), expires_in: z.number() })
const REMEMBERED_KEYS = 10_000
/** A key may be revoked meanwhile; functions forget it as soon. */
const REMEMBERED_MS = 10_000

export function createTenantReader(verify: VerifyTenant, functions: Functions): ReadTenant {
  const tenants = new LRUCache<string, string>({ max: REMEMBERED_KEYS, ttl: REMEMBERED_MS })

  async function tenantIn(token: string): Promise<string | undefined> {
    try {
      return (await verify(token)).tenant
    } catch (error) {
      if (error instanceof Failure) return undefined
      throw error
    }
  }

  async function exchange(key: string): Promise<string | undefined> {
    const name = createHash('sha256').update(key).digest('base64url')
    const remembered = tenants.get(name)
    if (remembered !== undefined) return remembered
    const { status, body } = await functions.callJson('issue-token', {
      method: 'POST',
      path: '/v1/auth/token',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: Buffer.from('{}'),
    })
    const issued = Issued.safeParse(body)
    if (status !== 200 || !issued.success) return undefined
    const tenant = await tenantIn(issued.data.access_token)
    if (tenant !== undefined) tenants.set(name, tenant)
    return tenant
  }

  return async (headers) => {
    const key = headers['x-api-key']
    if (typeof key === 'string') return exchange(key)
    const token = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
    return token === undefined ? undefined : tenantIn(token)
  }
}
