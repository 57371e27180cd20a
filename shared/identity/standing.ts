/** Whether a tenant is served at all. */
import { Failure } from '../failures.ts'
import type { Tier } from '../plans/tiers.ts'
import type { Role } from './permissions.ts'

/** What the database answers about whoever holds a credential. */
export interface Rights {
  tier: Tier
  plan_version: number
  overage: boolean
  status: string
  roles: Role[]
  suspended: boolean
  rate_per_minute: number | null
}

const NOT_SERVED = new Set(['paused', 'canceled'])

/**
 * @param invalid the failure of a tenant that is gone
 * @throws Failure TENANT_SUSPENDED, or what `invalid` makes
 */
export function checkStanding(
  { status, suspended }: Pick<Rights, 'status' | 'suspended'>,
  invalid: () => Failure,
): void {
  if (suspended) throw tenantSuspended()
  if (NOT_SERVED.has(status)) throw invalid()
}

function tenantSuspended(): Failure {
  return new Failure('TENANT_SUSPENDED', 'Cannot act for your tenant: the operator has suspended it', {
    suggestion: 'Ask the operator of this platform; nothing of the tenant is lost',
  })
}
