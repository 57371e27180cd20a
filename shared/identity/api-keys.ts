/** API keys: `kg_`, five characters to recognise it by, `_`, and a secret. Only the SHA-256 of a key is stored. */
import { createHash, randomBytes } from 'node:crypto'
import type { Sql } from 'postgres'
import { Failure } from '../failures.ts'
import type { FindPlan } from '../plans/plan-book.ts'
import { addPlan } from './with-plan.ts'
import type { Identity, StoredIdentity } from './identity.ts'
import type { KeyUses } from './key-uses.ts'
import { permissionsOf } from './permissions.ts'
import { Remembered } from './remembered.ts'
import { checkStanding, type Rights } from './standing.ts'

const FORM = /^kg_[a-z0-9]{5}_[A-Za-z0-9_-]{43}$/
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'

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

interface KeyRow extends Rights {
  tenant_id: string
  user_id: string
  key_id: string
  rotation: number
  scopes: string[] | null
}

/** Creates the lookup of API keys in `sql`. It knows no tenant yet, so it goes through the one function that may. */
export function createApiKeyLookup(sql: Sql, uses: KeyUses, findPlan: FindPlan): AuthenticateApiKey {
  const remembered = new Remembered<Identity>()
  return async (key) => {
    if (!FORM.test(key)) throw invalidKey()
    const hash = hashApiKey(key)
    const identity = await remembered.get(hash.toString('base64url'), async () => {
      const [row] = await sql<KeyRow[]>`select * from authenticate_api_key(${hash})`
      if (row === undefined) throw invalidKey()
      const known = await addPlan(identityOf(row), findPlan)
      checkStanding(row, invalidKey, known)
      return known
    })
    if (identity.key !== undefined) uses.note(identity.key.id)
    return identity
  }
}

function identityOf(row: KeyRow): StoredIdentity {
  const { tenant_id: tenant, tier, user_id: user, roles, scopes, key_id: id, rotation } = row
  const perMinute = row.rate_per_minute === null ? {} : { perMinute: row.rate_per_minute }
  return {
    tenant,
    tier,
    planVersion: row.plan_version,
    overage: row.overage,
    user,
    roles,
    permissions: permissionsOf(roles),
    ...(scopes === null ? {} : { scopes }),
    key: { id, rotation, ...perMinute },
  }
}

function invalidKey(): Failure {
  return new Failure('CREDENTIALS_INVALID', 'Cannot accept the API key: it is unknown, expired or revoked', {
    suggestion: 'Check the X-API-Key header; keys start with "kg_"',
    challenge: 'ApiKey',
  })
}
