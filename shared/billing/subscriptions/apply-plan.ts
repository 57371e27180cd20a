/** The plan of a tenant follows from its subscriptions, wherever one of them changes. */
import { PLAN_CHANGED } from '../../events/plan-changed.ts'
import type { Billing } from '../billing.ts'
import { currentOf, isEntitling, liveSubscriptions } from './rows.ts'

interface Applied {
  tier_before: string
  version_before: number
  tier_after: string
  version_after: number
}

/** Puts the tenant on the plan that its subscriptions entitle it to, where one of them has changed; else on the free plan. */
export async function applyPlan({ db, emit, tenant, now, changed }: Billing): Promise<void> {
  if (!changed) return
  const current = currentOf(await liveSubscriptions(db), now)
  const isEntitled = current !== undefined && isEntitling(current, now)
  const [plan, version, standing] = isEntitled
    ? [current.plan, current.plan_version, current.status]
    : ['free', null, 'active']
  const [applied] = await db<Applied[]>`select * from apply_plan(${plan}, ${version}, ${standing})`
  if (applied === undefined) return
  const { tier_before, version_before, tier_after, version_after } = applied
  if (tier_before === tier_after && version_before === version_after) return
  emit(PLAN_CHANGED, {
    tenant,
    from: { plan: tier_before, version: version_before },
    to: { plan: tier_after, version: version_after },
  })
}
