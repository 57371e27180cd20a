/** API keys: `kg_`, five characters to recognise it by, `_`, and a secret. Only the SHA-256 of a key is stored. */
import { createHash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Sql } from 'postgres'
import { atMost } from '../at-most.ts'
import { Failure } from '../failures.ts'
import type { Tier } from '../plans/tiers.ts'
import type { Identity } from './identity.ts'
import { permissionsOf, type Role } from './permissions.ts'

const FORM = /^kg_[a-z0-9]{5}_[A-Za-z0-9_-]{43}$/
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'
/** How long a revoked key may still be believed by a process that has seen it. */
const REMEMBERED_MS = 10_000

export interface NewApiKey {
  key: string
  prefix: string
  hash: Buffer
}

/** Makes a new key with 256 bits of secret. Show `key` once; store `prefix` and `hash`. */
export function createApiKey(): NewApiKey {
  const name = Array.from(randomBytes(5), (byte) => ALPHABET[byte % ALPHABET.length]).join('')
  const key = `kg_${name}_${randomBytes(32).toString('base64url')}`
  return { key, prefix: `kg_${name}`, hash: hashApiKey(key) }
}

export function hashApiKey(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

export type AuthenticateApiKey = (key: string) => Promise<Identity>

interface KeyRow {
  tenant_id: string
  tier: Tier
  status: string
  user_id: string
  roles: Role[]
}

/** Creates the lookup of API keys in `sql`. It knows no tenant yet, so it goes through the one function that may. */
export function createApiKeyLookup(sql: Sql): AuthenticateApiKey {
  const known = new LRUCache<string, Identity>({ ...atMost(10_000), ttl: REMEMBERED_MS })
  return async (key) => {
    if (!FORM.test(key)) throw invalidKey()
    const hash = hashApiKey(key)
    const name = hash.toString('base64url')
    const remembered = known.get(name)
    if (remembered !== undefined) return remembered
    const [row] = await sql<KeyRow[]>`select * from authenticate_api_key(${hash})`
    if (row === undefined || ['paused', 'canceled'].includes(row.status)) throw invalidKey()
    const identity: Identity = {
      tenant: row.tenant_id,
      tier: row.tier,
      user: row.user_id,
      roles: row.roles,
      permissions: permissionsOf(row.roles),
    }
    known.set(name, identity)
    return identity
  }
}

function invalidKey(): Failure {
  return new Failure('CREDENTIALS_INVALID', 'Cannot accept the API key: it is unknown, expired or revoked', {
    suggestion: 'Check the X-API-Key header; keys start with "kg_"',
    challenge: 'ApiKey',
  })
}
