/** Who a person is now, for work that was ordered earlier and must not run with rights that are gone. */
import type { Db } from '../database/database.ts'
import { Failure } from '../failures.ts'
import type { Tier } from '../plans/tiers.ts'
import type { StoredIdentity } from './identity.ts'
import { permissionsOf, type Role } from './permissions.ts'
import { checkStanding } from './standing.ts'

interface UserRow {
  id: string
  tenant_id: string
  roles: Role[]
  tier: Tier
  plan_version: number
  overage: boolean
  status: string
  suspended: boolean
}

/**
 * The identity that `user` of this transaction's tenant has at this moment.
 *
 * @throws Failure IDENTITY_GONE where the person is no longer there, or its tenant is paused or canceled; TENANT_SUSPENDED
 */
export async function currentIdentity(db: Db, user: string): Promise<StoredIdentity> {
  const [row] = await db<UserRow[]>`
    select u.id, u.tenant_id, to_jsonb(u.roles) as roles, t.tier, t.plan_version, t.status,
      t.overage_allowed and t.status = 'active' as overage, t.suspended_at is not null as suspended
    from users u join tenants t on t.id = u.tenant_id
    where u.id = ${user} and u.removed_at is null and u.deactivated_at is null`
  if (row === undefined) throw gone()
  checkStanding(row, gone)
  const { tenant_id: tenant, tier, plan_version: planVersion, overage, roles } = row
  return { tenant, user, tier, planVersion, overage, roles, permissions: permissionsOf(roles) }
}

function gone(): Failure {
  return new Failure('IDENTITY_GONE', 'Cannot act for that person: it or its tenant is not active any more')
}
