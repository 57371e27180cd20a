/** The tenant that somebody wants to sign in to, before anybody is known. */
import type { Call } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'
import type { Identity } from '../../../shared/identity/identity.ts'
import { checkStanding, type Rights } from '../../../shared/identity/standing.ts'
import { NOBODY } from '../../../shared/identity/nobody.ts'
import { addPlan } from '../../../shared/identity/with-plan.ts'
import { createPlanBook } from '../../../shared/plans/plan-book.ts'
import { requireFeature } from '../../../shared/plans/features.ts'

type Row = Pick<Rights, 'tier' | 'plan_version' | 'overage' | 'status' | 'suspended'> & { tenant_id: string }

/**
 * The tenant `slug`, as an identity without any right, whose plan lets people sign in by a provider.
 *
 * @throws Failure NOT_FOUND, TENANT_SUSPENDED, TIER_REQUIRED
 */
export async function findTenant(slug: string, { ofNoTenant }: Pick<Call, 'ofNoTenant'>): Promise<Identity> {
  const [row] = await ofNoTenant<Row[]>`select * from sign_in_tenant(${slug})`
  if (row === undefined) throw noProvider(slug)
  checkStanding(row, () => noProvider(slug))
  const { tenant_id: tenant, tier, plan_version: planVersion, overage } = row
  const nobody = { tenant, tier, planVersion, overage, user: NOBODY, roles: [], permissions: [] }
  const identity = await addPlan(nobody, createPlanBook(ofNoTenant))
  await requireFeature('sso', `Cannot sign in to "${slug}" by a provider`, { db: ofNoTenant, identity })
  return identity
}

/** The same for a tenant that is not there and for one without a provider. */
export function noProvider(slug: string): Failure {
  return new Failure('NOT_FOUND', `Cannot sign in to "${slug}": it has no such identity provider`, {
    suggestion: 'Check the name of the tenant, or sign in with an API key',
  })
}
