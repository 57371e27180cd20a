/**
 * The lines of an invoice: the base fee in advance, what was used beyond what the plan includes, and what is taken off. All of it
 * exact, and rounded once at the end.
 */
import {
  add,
  compare,
  fraction,
  fractionOf,
  multiply,
  negate,
  subtract,
  ZERO,
  type Fraction,
} from '../fraction.ts'
import type { Meter } from '../../plans/plan.ts'
import type { BilledPlan, MeterPrice } from '../plans.ts'
import { secondsBetween, type Period } from './months.ts'
import { roundLines } from './round-lines.ts'

export const LINE_KINDS = ['base', 'usage', 'discount', 'proration', 'credit'] as const
export type LineKind = (typeof LINE_KINDS)[number]

/** One line: what it is for, so that it can be traced to the usage and to the version of the plan. */
export interface Line {
  kind: LineKind
  description: string
  period: Period
  plan: string
  planVersion: number
  cents: bigint
  usage?: UsageFacts
}

export interface UsageFacts {
  meter: Meter
  /** All that was used in the period, as a decimal. */
  quantity: string
  included: string
  /** Cents for `per` units, as a decimal. */
  price: string
  per: number
}

/** A line before it is rounded. */
export interface ExactLine extends Omit<Line, 'cents'> {
  exact: Fraction
}

/** Amounts by meter, as decimals. */
export type Usage = Partial<Record<Meter, string>>

/** The most of a meter that is believed: more is an error, and nobody is billed for it. */
const MAX_QUANTITY = fraction(10n ** 15n)

/** The base fee of a term, in advance. */
export function baseLine(plan: BilledPlan, period: Period, cents: number): ExactLine {
  return { ...lineOf(plan, period), kind: 'base', description: `Plan ${plan.name}`, exact: fraction(cents) }
}

/**
 * One line for each meter of which more was used than the plan includes: the ranges are graduated, and the first is free.
 *
 * @param billed what was billed of the same period before; only what came later is billed now
 * @throws RangeError where an amount is negative, or larger than is believed
 */
export function usageLines(plan: BilledPlan, period: Period, usage: Usage, billed: Usage = {}): ExactLine[] {
  return plan.meters.flatMap((price): ExactLine[] => {
    const quantity = usage[price.meter] ?? '0'
    const cost = subtract(costOf(price, quantity), costOf(price, billed[price.meter] ?? '0'))
    if (price.included === null || compare(cost, ZERO) <= 0) return []
    const facts = {
      meter: price.meter,
      quantity,
      included: decimalOf(price.included),
      price: decimalOf(price.cents),
      per: price.per,
    }
    return [
      {
        ...lineOf(plan, period),
        kind: 'usage',
        description: NAMES[price.meter],
        usage: facts,
        exact: cost,
      },
    ]
  })
}

const NAMES: Record<Meter, string> = {
  tokens: 'Tokens beyond the plan',
  api_calls: 'API calls beyond the plan',
  sessions: 'Sessions beyond the plan',
  storage_gb_months: 'Storage beyond the plan, in GB-months',
  gpu_seconds: 'GPU seconds beyond the plan',
}

function costOf({ included, cents, per, meter }: MeterPrice, quantity: string): Fraction {
  const used = fractionOf(quantity)
  if (compare(used, ZERO) < 0 || compare(used, MAX_QUANTITY) > 0)
    throw new RangeError(`Cannot bill "${quantity}" of ${meter}: it is negative or too much to be believed`)
  if (included === null) return ZERO
  const beyond = subtract(used, included)
  if (compare(beyond, ZERO) <= 0) return ZERO
  return multiply(multiply(beyond, cents), fraction(1, per))
}

/** What is taken off usage by volume: each part of the amount by the rate of its range, so more usage never costs less. */
const VOLUME = [
  { fromCents: 100_000, percent: 5 },
  { fromCents: 500_000, percent: 10 },
  { fromCents: 1_000_000, percent: 15 },
] as const

/** The line that takes the volume discount off `usage`; none where there is none. */
export function discountLines(plan: BilledPlan, period: Period, usage: readonly ExactLine[]): ExactLine[] {
  const amount = usage.map(({ exact }) => exact).reduce(add, ZERO)
  const off = VOLUME.map(({ fromCents, percent }, at) => {
    const steps = percent - (VOLUME[at - 1]?.percent ?? 0)
    const above = subtract(amount, fraction(fromCents))
    return compare(above, ZERO) <= 0 ? ZERO : multiply(above, fraction(steps, 100))
  }).reduce(add, ZERO)
  if (compare(off, ZERO) === 0) return []
  return [{ ...lineOf(plan, period), kind: 'discount', description: 'Volume discount', exact: negate(off) }]
}

/** The part of a base fee for the time from `at` to the end of its term, by the second. */
export function partOfTerm(cents: number, term: Period, at: Date): Fraction {
  const whole = secondsBetween(term.start, term.end)
  const left = Math.min(whole, Math.max(0, secondsBetween(at, term.end)))
  return multiply(fraction(cents), fraction(left, whole))
}

/** The lines of a change to another plan within a term: the old one's unused time is given back, the new one's is paid. */
export function changeLines(
  from: { plan: BilledPlan; cents: number },
  to: { plan: BilledPlan; cents: number },
  term: Period,
  at: Date,
): ExactLine[] {
  const period = { start: at, end: term.end }
  return [
    {
      ...lineOf(from.plan, period),
      kind: 'proration',
      description: `Unused time of plan ${from.plan.name}`,
      exact: negate(partOfTerm(from.cents, term, at)),
    },
    {
      ...lineOf(to.plan, period),
      kind: 'proration',
      description: `Plan ${to.plan.name} for the rest of the term`,
      exact: partOfTerm(to.cents, term, at),
    },
  ]
}

/** Lines in whole cents. */
export function toLines(exact: readonly ExactLine[]): Line[] {
  const cents = roundLines(exact.map((line) => line.exact))
  return exact.map(({ exact: _exact, ...line }, at) => ({ ...line, cents: cents[at] ?? 0n }))
}

export function sumOf(lines: readonly Pick<Line, 'cents'>[]): bigint {
  return lines.reduce((sum, { cents }) => sum + cents, 0n)
}

/** A line that pays for usage with credits, of which one is a cent. */
export function creditLine(plan: BilledPlan, period: Period, cents: bigint): Line {
  return { ...lineOf(plan, period), kind: 'credit', description: 'Paid with credits', cents: -cents }
}

/** What credits may pay for: usage less its discount, and never the base fee. */
export function usageCents(lines: readonly Line[]): bigint {
  const sum = sumOf(lines.filter(({ kind }) => kind === 'usage' || kind === 'discount'))
  return sum > 0n ? sum : 0n
}

function lineOf({ id, version }: BilledPlan, period: Period) {
  return { period, plan: id, planVersion: version }
}

const SHOWN_DECIMALS = 9n

/** A fraction of few decimals, as prices and what is included are, as a decimal. */
function decimalOf({ numerator, denominator }: Fraction): string {
  const scaled = String((numerator * 10n ** SHOWN_DECIMALS) / denominator).padStart(
    Number(SHOWN_DECIMALS) + 1,
    '0',
  )
  const at = scaled.length - Number(SHOWN_DECIMALS)
  return `${scaled.slice(0, at)}.${scaled.slice(at)}`.replace(/\.?0+$/, '')
}
