/** What operators do about plans: another version of one, and who is on which. */
import type { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { PLAN_CHANGED } from '../../../shared/events/plan-changed.ts'
import { Failure } from '../../../shared/failures.ts'
import { readPlan, type PlanRow } from '../../../shared/plans/plan-row.ts'
import type { Tier } from '../../../shared/plans/tiers.ts'
import { actorFacts, type Audited } from '../audit/record.ts'
import { limitsIn } from '../tenant/entitlements.ts'
import { operate } from '../tenants/operate.ts'
import { findTenant, type Tenant } from '../tenants/rows.ts'
import { showPlan, type NewPlan, type ShownPlan } from './shapes.ts'

/** @throws Failure NOT_FOUND where it is for a tenant that is not there */
export async function makePlan(wanted: NewPlan, call: Audited): Promise<{ plan: z.infer<typeof ShownPlan> }> {
  const { db, identity } = call
  if (wanted.made_for !== undefined) await findTenant(wanted.made_for, call)
  const made = { ...wanted, limits: limitsIn(wanted.limits), features: [...new Set(wanted.features)] }
  const [answer] = await operate(db<{ version: number }[]>`
    select make_plan_for_operator(${identity.user}, ${db.json(actorFacts(call))}, ${db.json(made)}) as version`)
  const [row] = await db<[PlanRow]>`select * from find_plan(${wanted.id}, ${answer?.version ?? 0})`
  return { plan: showPlan(readPlan(row)) }
}

interface Changed {
  tier_before: Tier
  version_before: number
  tier_after: Tier
  version_after: number
}

/** @throws Failure NOT_FOUND where there is no such tenant, or no such version for it */
export async function setPlan(
  { id, plan, version }: { id: string; plan: Tier; version?: number | undefined },
  call: Audited & Pick<Call, 'emit'>,
): Promise<{ tenant: z.infer<typeof Tenant> }> {
  const { db, identity, emit } = call
  await findTenant(id, call)
  const [changed] = await operate(db<Changed[]>`
    select * from set_plan_for_operator(${identity.user}, ${db.json(actorFacts(call))}, ${id}, ${plan}, ${version ?? null})`)
  if (changed === undefined) {
    throw new Failure(
      'NOT_FOUND',
      `Cannot find version ${version ?? 'on offer'} of plan "${plan}" for this tenant`,
      {
        suggestion: 'GET /v1/plans shows what is on offer',
      },
    )
  }
  emit(PLAN_CHANGED, {
    tenant: id,
    from: { plan: changed.tier_before, version: changed.version_before },
    to: { plan: changed.tier_after, version: changed.version_after },
  })
  return { tenant: await findTenant(id, call) }
}
