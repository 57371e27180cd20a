/** Plans as they are shown and made. */
import { z } from 'zod'
import { Plan } from '../../../shared/plans/plan.ts'
import { Features, limitsOf, PlanLimits } from '../tenant/entitlements.ts'

const { id, version, name, effectiveAt, price, trialDays, overage } = Plan.shape

const Terms = {
  name,
  price_month_cents: price.shape.monthCents,
  price_year_cents: price.shape.yearCents,
  trial_days: trialDays,
  limits: PlanLimits,
  features: Features,
  overage: overage.describe('What use past an included amount costs, for tenants that allow it'),
}

export const ShownPlan = z.strictObject({ id, version, effective_at: effectiveAt, ...Terms })

/** The next version of a plan. */
export const NewPlan = z.strictObject({
  id,
  ...Terms,
  effective_at: effectiveAt
    .optional()
    .describe('When it can be bought from; now, where it is absent or in the past'),
  made_for: z.uuid().optional().describe('The one tenant that it is for; absent is everybody'),
})
export type NewPlan = z.infer<typeof NewPlan>

export function showPlan(plan: Plan): z.infer<typeof ShownPlan> {
  return {
    id: plan.id,
    version: plan.version,
    name: plan.name,
    effective_at: plan.effectiveAt,
    price_month_cents: plan.price.monthCents,
    price_year_cents: plan.price.yearCents,
    trial_days: plan.trialDays,
    limits: limitsOf(plan),
    features: plan.features,
    overage: plan.overage,
  }
}
