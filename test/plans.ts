/** The plans that a new database begins with, as its migration has them, for tests without a database. */
import { readFileSync } from 'node:fs'
import { Plan, type Limits } from '../shared/plans/plan.ts'
import { TIERS, type Tier } from '../shared/plans/tiers.ts'

const MIGRATION = new URL('../shared/database/migrations/028.do.plans.sql', import.meta.url)
const ROW = /\('(\w+)', 1, '(\w+)', (\w+), (\w+), (\d+),\s*'({[^']*})',\s*'(\[[^']*\])',\s*'({[^']*})'\)/g

function readSeeds(): Record<Tier, Plan> {
  const plans = Array.from(
    readFileSync(MIGRATION, 'utf8').matchAll(ROW),
    ([, id, name, month = '', year = '', days, limits = '', features = '', overage = '']) =>
      Plan.parse({
        id,
        version: 1,
        name,
        effectiveAt: new Date(0).toISOString(),
        price: { monthCents: JSON.parse(month), yearCents: JSON.parse(year) },
        trialDays: Number(days),
        limits: JSON.parse(limits),
        features: JSON.parse(features),
        overage: JSON.parse(overage),
      }),
  )
  const found = Object.fromEntries(plans.map((plan) => [plan.id, plan]))
  if (plans.length !== TIERS.length) throw new Error(`Found ${plans.length} plans in ${MIGRATION.pathname}`)
  return found as Record<Tier, Plan> // reason: as many as there are tiers, and no row twice in a table with this key
}

export const PLANS = readSeeds()

/** A plan with other limits. */
export function planWith(limits: Partial<Limits>, plan: Plan = PLANS.enterprise): Plan {
  return { ...plan, limits: { ...plan.limits, ...limits } }
}

/** The rate limits of a plan. */
export function ratesOf({ limits }: Plan) {
  const { requestsPerMinute: perMinute, requestsPerHour: perHour, requestsAtOnce: burst } = limits
  return { perMinute, perHour, burst }
}
