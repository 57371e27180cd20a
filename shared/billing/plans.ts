/** What billing reads of a plan: what it costs for each term, what it includes of each meter, and what more of it costs. */
import type { Db } from '../database/database.ts'
import { TOKENS_PER_MONTH } from '../plans/allowance.ts'
import { TIERS, type Tier } from '../plans/tiers.ts'
import { fraction, type Fraction } from './fraction.ts'

export const METERS = ['tokens', 'api_calls', 'sessions', 'storage_gb_months', 'gpu_seconds'] as const
export type Meter = (typeof METERS)[number]

/** For how long the base fee is paid in advance. */
export const TERMS = { month: 1, year: 12, two_years: 24 } as const
export type Term = keyof typeof TERMS

export interface MeterPrice {
  meter: Meter
  /** How much of it a month includes; null is without limit. */
  included: number | null
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
  meters: readonly MeterPrice[]
}

const MONTH_CENTS: Record<Tier, number | null> = {
  free: 0,
  starter: 2900,
  pro: 14_900,
  team: 49_900,
  enterprise: null,
}
const SESSIONS: Record<Tier, number | null> = { free: 10, starter: 100, pro: 500, team: 2000, enterprise: null }
const CALLS_A_DAY: Record<Tier, number | null> = {
  free: 100,
  starter: 1000,
  pro: 10_000,
  team: 50_000,
  enterprise: null,
}
/** Calls are limited by the day, and billed by the month, whatever its length. */
const DAYS_OF_A_MONTH = 30
const STORAGE_GB: Record<Tier, number | null> = { free: 0, starter: 1, pro: 10, team: 100, enterprise: null }

/** The version of a plan that a customer has bought; the newest where none is named. */
export async function findPlan(_db: Db, id: Tier, version?: number): Promise<BilledPlan | undefined> {
  return version === undefined || version === 1 ? standIn(id) : undefined
}

function standIn(id: Tier): BilledPlan {
  const month = MONTH_CENTS[id]
  const calls = CALLS_A_DAY[id]
  return {
    id,
    version: 1,
    name: id.replace(/^./, (letter) => letter.toUpperCase()),
    monthCents: month,
    yearCents: month === null ? null : Math.round(month * 12 * 0.9),
    meters: [
      { meter: 'tokens', included: TOKENS_PER_MONTH[id], cents: fraction(1), per: 1000 },
      { meter: 'api_calls', included: calls === null ? null : calls * DAYS_OF_A_MONTH, cents: fraction(1, 10), per: 1 },
      { meter: 'sessions', included: SESSIONS[id], cents: fraction(5), per: 1 },
      { meter: 'storage_gb_months', included: STORAGE_GB[id], cents: fraction(10), per: 1 },
      { meter: 'gpu_seconds', included: 0, cents: fraction(50), per: 3600 },
    ],
  }
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
