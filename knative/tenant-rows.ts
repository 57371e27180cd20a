/** A tenant with its first admin and that admin's API key, as rows. */
import type { TransactionSql } from 'postgres'
import type { NewApiKey } from '../shared/identity/api-keys.ts'
import { newId } from '../shared/new-id.ts'
import type { Tier } from '../shared/plans/tiers.ts'

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

/**
 * Writes what is missing of a tenant and its admin, and adds the key.
 *
 * @returns the tenant's id
 */
export async function writeTenant(db: TransactionSql, wanted: NewTenant): Promise<string> {
  const { slug, name, tier, admin, operates = false, keyName, key } = wanted
  const roles = [...(operates ? ['super_admin'] : []), 'admin', 'developer']
  const [tenant] = await db<{ id: string }[]>`
    insert into tenants (id, slug, name, tier) values (${newId()}, ${slug}, ${name}, ${tier})
    on conflict (slug) do update set name = excluded.name returning id`
  const id = tenant?.id ?? ''
  const [user] = await db<{ id: string }[]>`
    insert into users (id, tenant_id, email, name, roles)
    values (${newId()}, ${id}, ${admin.email}, ${admin.name}, ${roles})
    on conflict (tenant_id, email) do update set name = excluded.name returning id`
  await db`
    insert into api_keys (id, tenant_id, user_id, name, key_prefix, key_hash)
    values (${newId()}, ${id}, ${user?.id ?? ''}, ${keyName}, ${key.prefix}, ${key.hash})`
  return id
}
