/** What billing reads of a plan: what it costs for each term, what it includes of each meter, and what more of it costs. */
import type { Db } from '../database/database.ts'
import { METERS, type Limits, type Meter, type Plan } from '../plans/plan.ts'
import { TIERS, type Tier } from '../plans/tiers.ts'
import { fraction, fractionOf, type Fraction } from './fraction.ts'

/** For how long the base fee is paid in advance. */
export const TERMS = { month: 1, year: 12, two_years: 24 } as const
export type Term = keyof typeof TERMS

export interface MeterPrice {
  meter: Meter
  /** How much of it a month includes; null is without limit. */
  included: Fraction | null
  /** Cents for `per` units. */
  cents: Fraction
  per: number
}

export interface BilledPlan {
  id: Tier
  version: number
  name: string
  /** The base fee of a month in cents; null is by agreement. */
  monthCents: number | null
  yearCents: number | null
  trialDays: number
  meters: readonly MeterPrice[]
}

/** Calls are limited by the day, and billed by the month, whatever its length. */
const DAYS_OF_A_MONTH = 30
const BYTES_OF_A_GB = 1_000_000_000

interface PlanRow {
  id: Tier
  version: number
  name: string
  price_month_cents: string | null
  price_year_cents: string | null
  trial_days: number
  limits: Limits
  overage: Plan['overage']
}

/** A version of a plan that this tenant may have; the one that is sold now where none is named. */
export async function findPlan(db: Db, id: Tier, version?: number): Promise<BilledPlan | undefined> {
  const [row] = await db<PlanRow[]>`
    select * from plans where id = ${id} and version = coalesce(${version ?? null}::integer, current_plan_version(${id}))`
  return row === undefined ? undefined : read(row)
}

function read(row: PlanRow): BilledPlan {
  return {
    id: row.id,
    version: row.version,
    name: row.name,
    monthCents: row.price_month_cents === null ? null : Number(row.price_month_cents),
    yearCents: row.price_year_cents === null ? null : Number(row.price_year_cents),
    trialDays: row.trial_days,
    meters: METERS.flatMap((meter) => {
      const price = row.overage[meter]
      if (price === undefined) return []
      return [
        { meter, included: includedIn(row.limits, meter), cents: fractionOf(price.cents), per: price.per },
      ]
    }),
  }
}

/** How much of a meter a month includes; null is without limit. */
function includedIn(limits: Limits, meter: Meter): Fraction | null {
  const { tokensPerMonth, apiCallsPerDay, sessionsPerMonth, storageBytes } = limits
  const amounts: Record<Meter, readonly [number | null, number?]> = {
    tokens: [tokensPerMonth],
    api_calls: [apiCallsPerDay === null ? null : apiCallsPerDay * DAYS_OF_A_MONTH],
    sessions: [sessionsPerMonth],
    storage_gb_months: [storageBytes, BYTES_OF_A_GB],
    gpu_seconds: [0],
  }
  const [amount, unit = 1] = amounts[meter]
  return amount === null ? null : fraction(amount, unit)
}

/** Whether `a` is a larger plan than `b`. */
export function isLarger(a: Tier, b: Tier): boolean {
  return TIERS.indexOf(a) > TIERS.indexOf(b)
}

/** Two years are paid for with a fifth off. */
const TWO_YEARS_PART = [4, 5] as const

/** The base fee of a whole term in cents; undefined where the plan is sold by agreement alone. */
export function baseFee({ monthCents, yearCents }: BilledPlan, term: Term): number | undefined {
  if (monthCents === null) return undefined
  if (term === 'month') return monthCents
  if (term === 'year') return yearCents ?? monthCents * TERMS.year
  const [top, bottom] = TWO_YEARS_PART
  return Math.round((monthCents * TERMS.two_years * top) / bottom)
}
