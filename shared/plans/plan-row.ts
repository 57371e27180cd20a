/** Rows of the table `plans`. */
import { Plan } from './plan.ts'
import type { Tier } from './tiers.ts'

export interface PlanRow {
  id: Tier
  version: number
  name: string
  effective_at: Date
  /** The driver gives a bigint as text. */
  price_month_cents: string | null
  price_year_cents: string | null
  trial_days: number
  limits: unknown
  features: unknown
  overage: unknown
}

/** @throws ZodError for a row that was not made by the operation that makes plans */
export function readPlan(row: PlanRow): Plan {
  const { id, version, name, effective_at, limits, features, overage } = row
  const plan = Plan.parse({
    id,
    version,
    name,
    effectiveAt: effective_at.toISOString(),
    price: { monthCents: centsOf(row.price_month_cents), yearCents: centsOf(row.price_year_cents) },
    trialDays: row.trial_days,
    limits,
    features,
    overage,
  })
  return Object.freeze(plan)
}

function centsOf(text: string | null): number | null {
  return text === null ? null : Number(text)
}
