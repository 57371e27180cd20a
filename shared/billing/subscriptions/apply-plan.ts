/** The plan of a tenant follows from its subscriptions, and from nothing else where it has any. */
import type { Billing } from '../billing.ts'
import { currentOf, isEntitling, liveSubscriptions } from './rows.ts'

/** Puts the tenant on the plan that its subscriptions entitle it to, where one of them has changed; else on the free plan. */
export async function applyPlan(billing: Billing): Promise<void> {
  if (!billing.changed) return
  const { db, now } = billing
  const current = currentOf(await liveSubscriptions(db), now)
  if (current === undefined || !isEntitling(current, now)) {
    await db`select apply_plan('free', null, 'active')`
    return
  }
  await db`select apply_plan(${current.plan}, ${current.plan_version}, ${current.status})`
}
