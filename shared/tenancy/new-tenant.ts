/**
 * A new tenant with its first admin and that admin's API key. Sign-up, the first tenant of a platform and those of a local one
 * are all made by the same function of the database.
 */
import type { Sql, TransactionSql } from 'postgres'
import type { NewApiKey } from '../identity/api-keys.ts'
import type { Role } from '../identity/permissions.ts'
import { newId } from '../new-id.ts'
import type { Tier } from '../plans/tiers.ts'
import type { MadeIds } from '../contract/sign-up.ts'
import { STEP_NAMES } from './step-names.ts'

export interface NewTenant {
  slug: string
  name: string
  tier: Tier
  admin: { email: string; name: string }
  /** Whether its admin is an operator of the platform, too. */
  operates?: boolean
  /** The name of the key. */
  keyName: string
  key: Pick<NewApiKey, 'prefix' | 'hash'>
}

/** What the function of the database takes. */
export function describeNew(wanted: NewTenant, facts: Record<string, unknown>) {
  const { slug, name, tier, admin, operates = false, keyName, key } = wanted
  const ids: MadeIds = { tenant: newId(), user: newId(), key: newId() }
  const roles: Role[] = [...(operates ? (['super_admin'] as const) : []), 'admin', 'developer']
  const made = {
    id: ids.tenant,
    slug,
    name,
    tier,
    admin: { id: ids.user, ...admin, roles },
    key: { id: ids.key, name: keyName, prefix: key.prefix, hash: key.hash.toString('hex') },
    steps: STEP_NAMES,
    facts,
  }
  return { ids, made }
}

/**
 * Makes a tenant, as the owner of the database; the steps that are left are done by the next tick.
 *
 * @returns undefined where the slug is taken
 */
export async function makeTenant(db: Sql | TransactionSql, wanted: NewTenant): Promise<MadeIds | undefined> {
  const { ids, made } = describeNew(wanted, SETUP)
  const [row] = await db<{ done: boolean }[]>`select add_tenant(${JSON.stringify(made)}::text::jsonb) as done`
  return row?.done === true ? ids : undefined
}

/**
 * Makes the first tenant of a platform, whose admin is the first operator; as the owner of the database, or as `kgents_admin`.
 *
 * @returns the ids, or why nothing was made: an operator is there, or the slug is taken
 */
export async function bootstrapPlatform(
  db: Sql | TransactionSql,
  wanted: NewTenant,
): Promise<MadeIds | 'operated' | 'taken'> {
  const { ids, made } = describeNew({ ...wanted, operates: true }, SETUP)
  const [row] = await db<{ outcome: 'made' | 'operated' | 'taken' }[]>`
    select bootstrap(${JSON.stringify(made)}::text::jsonb) as outcome`
  const outcome = row?.outcome ?? 'taken'
  return outcome === 'made' ? ids : outcome
}

/** What the audit says of the actor, besides who it is. */
const SETUP = { setup: true }
