/** Whether a tenant is served at all. */
import { Failure } from '../failures.ts'
import type { Tier } from '../plans/tiers.ts'
import type { Identity } from './identity.ts'
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
/** The status of a tenant that is deleted, and not yet erased; it counts as suspended. */
const DELETED = 'deleted'

/**
 * Refuses whoever belongs to a deleted tenant. Restoring it and taking its data along is open to them all the same, so it says
 * who they are to the few routes that allow that.
 */
export class TenantDeleted extends Failure {
  readonly identity: Identity | undefined

  constructor(identity: Identity | undefined) {
    super('TENANT_SUSPENDED', 'Cannot act for your tenant: it is deleted, and will be erased 30 days after', {
      suggestion:
        'An admin can undo that with POST /v1/tenant/restore, and take data along with POST /v1/tenant/exports',
      details: { deleted: true },
    })
    this.identity = identity
  }
}

/**
 * @param invalid the failure of a tenant that is gone
 * @param identity who it is, where that is known
 * @throws TenantDeleted; Failure TENANT_SUSPENDED, or what `invalid` makes
 */
export function checkStanding(
  { status, suspended }: Pick<Rights, 'status' | 'suspended'>,
  invalid: () => Failure,
  identity?: Identity,
): void {
  if (status === DELETED) throw new TenantDeleted(identity)
  if (suspended) throw tenantSuspended()
  if (NOT_SERVED.has(status)) throw invalid()
}

function tenantSuspended(): Failure {
  return new Failure('TENANT_SUSPENDED', 'Cannot act for your tenant: the operator has suspended it', {
    suggestion: 'Ask the operator of this platform; nothing of the tenant is lost',
  })
}
