/** What holds for every invoice, whatever is used and whenever it began. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { add, fraction, fractionOf, round, ZERO } from '../../../shared/billing/fraction.ts'
import {
  changeLines,
  discountLines,
  partOfTerm,
  sumOf,
  toLines,
  usageLines,
  type ExactLine,
} from '../../../shared/billing/invoices/lines.ts'
import { addMonths, monthOf, termOf } from '../../../shared/billing/invoices/months.ts'
import { roundLines } from '../../../shared/billing/invoices/round-lines.ts'
import { baseFee, type BilledPlan } from '../../../shared/billing/plans.ts'

const PRO: BilledPlan = {
  id: 'pro',
  version: 1,
  name: 'Pro',
  monthCents: 14_900,
  yearCents: 160_920,
  trialDays: 14,
  meters: [
    { meter: 'tokens', included: fraction(500_000), cents: fraction(1), per: 1000 },
    { meter: 'api_calls', included: fraction(300_000), cents: fraction(1, 10), per: 1 },
    { meter: 'gpu_seconds', included: fraction(0), cents: fraction(50), per: 3600 },
  ],
}
const TEAM: BilledPlan = { ...PRO, id: 'team', name: 'Team', monthCents: 49_900 }
const JANUARY = monthOf(new Date('2026-01-31T12:00:00Z'), 0)
const amounts = fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n })
const exact = fc
  .tuple(amounts, fc.bigInt({ min: 1n, max: 10n ** 9n }))
  .map(([top, bottom]) => fraction(top, bottom))
const quantity = fc.bigInt({ min: 0n, max: 10n ** 15n }).map((micro) => {
  const text = String(micro).padStart(7, '0')
  return `${text.slice(0, -6)}.${text.slice(-6)}`
})
const anchor = fc.date({ min: new Date('2020-01-01'), max: new Date('2040-01-01'), noInvalidDate: true })

describe('roundLines()', () => {
  test('adds up to the rounded sum, and moves no line by a cent or more', () => {
    fc.assert(
      fc.property(fc.array(exact, { maxLength: 12 }), (lines) => {
        const rounded = roundLines(lines)
        expect(rounded.reduce((sum, each) => sum + each, 0n)).toBe(round(lines.reduce(add, ZERO)))
        for (const [at, cents] of rounded.entries()) {
          const { numerator, denominator } = lines[at] ?? ZERO
          const distance = cents * denominator - numerator
          expect(distance < 0n ? -distance : distance).toBeLessThan(denominator)
        }
      }),
    )
  })
})

describe('usageLines()', () => {
  const costOf = (used: string, billed?: string) =>
    usageLines(PRO, JANUARY, { tokens: used }, billed === undefined ? {} : { tokens: billed })
      .map((line) => line.exact)
      .reduce(add, ZERO)

  test.for([
    ['500000', 0],
    ['500000.000001', 0],
    ['501000', 1],
    ['1500000', 1000],
  ] as const)('costs for %s tokens %i cents: the first range is free', ([used, cents]) => {
    expect(Number(round(costOf(used)))).toBe(cents)
  })

  test('bills what comes later as the difference, however it is split', () => {
    fc.assert(
      fc.property(quantity, quantity, (first, more) => {
        const all = fractionOf(first)
        const total = add(all, fractionOf(more))
        const text = `${total.numerator * (10n ** 6n / total.denominator)}`.padStart(7, '0')
        const whole = `${text.slice(0, -6)}.${text.slice(-6)}`
        expect(add(costOf(first), costOf(whole, first))).toEqual(costOf(whole))
      }),
    )
  })

  test('has one line for each meter that is beyond the plan, traced to what was used', () => {
    const lines = usageLines(PRO, JANUARY, { tokens: '600000', api_calls: '299999', gpu_seconds: '1800' })
    expect(lines.map(({ usage }) => usage)).toEqual([
      { meter: 'tokens', quantity: '600000', included: '500000', price: '1', per: 1000 },
      { meter: 'gpu_seconds', quantity: '1800', included: '0', price: '50', per: 3600 },
    ])
    expect(toLines(lines).map(({ cents }) => cents)).toEqual([100n, 25n])
  })

  test.for(['-1', '-0.000001', '1000000000000001', '1e99', 'NaN', ''])(
    'refuses an amount of "%s"',
    (used) => {
      expect(() => usageLines(PRO, JANUARY, { tokens: used })).toThrow(RangeError)
    },
  )
})

describe('discountLines()', () => {
  const usageOf = (cents: number): ExactLine[] => [
    { kind: 'usage', description: '', period: JANUARY, plan: 'pro', planVersion: 1, exact: fraction(cents) },
  ]
  const afterDiscount = (cents: number) => {
    const usage = usageOf(cents)
    return sumOf(toLines([...usage, ...discountLines(PRO, JANUARY, usage)]))
  }

  test.for([
    [100_000, 100_000],
    [200_000, 195_000],
    [500_000, 480_000],
    [1_000_000, 930_000],
    [2_000_000, 1_780_000],
  ] as const)('takes from %i cents what is to be taken in each range', ([before, after]) => {
    expect(afterDiscount(before)).toBe(BigInt(after))
  })

  test('never makes more usage cost less', () => {
    fc.assert(
      fc.property(fc.nat(5_000_000), fc.nat(100_000), (cents, more) => {
        expect(afterDiscount(cents + more)).toBeGreaterThanOrEqual(afterDiscount(cents))
      }),
    )
  })
})

describe('monthOf()', () => {
  test('leaves no time out and counts none twice, from whatever day on', () => {
    fc.assert(
      fc.property(anchor, fc.nat(600), (at, index) => {
        const [month, next] = [monthOf(at, index), monthOf(at, index + 1)]
        expect(month.end).toEqual(next.start)
        expect(month.start < month.end).toBe(true)
        expect(addMonths(at, 0)).toEqual(at)
      }),
    )
  })

  test.for([
    ['2026-01-31T23:59:59Z', ['2026-01-31', '2026-02-28', '2026-03-31', '2026-04-30', '2026-05-31']],
    ['2028-01-30T00:00:00Z', ['2028-01-30', '2028-02-29', '2028-03-30', '2028-04-30', '2028-05-30']],
    ['2027-12-31T00:30:00Z', ['2027-12-31', '2028-01-31', '2028-02-29', '2028-03-31', '2028-04-30']],
  ] as const)('of %s begins on %o', ([from, starts]) => {
    const of = (index: number) => monthOf(new Date(from), index).start.toISOString()
    expect(starts.map((_, index) => of(index).slice(0, 10))).toEqual(starts)
    expect(starts.map((_, index) => of(index).slice(10))).toEqual(
      starts.map(() => new Date(from).toISOString().slice(10)),
    )
  })

  test('does not depend on the time zone of the process, nor on summer time', () => {
    const before = process.env['TZ']
    try {
      const starts = ['UTC', 'America/Los_Angeles', 'Pacific/Kiritimati', 'Europe/Berlin'].map((zone) => {
        process.env['TZ'] = zone
        return [1, 2, 3].map((index) => addMonths(new Date('2026-01-31T23:30:00Z'), index).toISOString())
      })
      for (const each of starts) expect(each).toEqual(starts[0])
    } finally {
      if (before === undefined) delete process.env['TZ']
      else process.env['TZ'] = before
    }
  })

  test('termOf() of the last month of a term ends with that month', () => {
    const from = new Date('2024-02-29T00:00:00Z')
    expect(termOf(from, 11, 12)).toEqual({ start: from, end: monthOf(from, 11).end })
    expect(termOf(from, 12, 12).start).toEqual(new Date('2025-02-28T00:00:00Z'))
  })
})

describe('changeLines()', () => {
  test('costs the difference of the plans for what is left, to the second, and never more than that', () => {
    fc.assert(
      fc.property(anchor, fc.nat(12), fc.nat(3_000_000), (from, index, second) => {
        const term = monthOf(from, index)
        const at = new Date(term.start.getTime() + second * 1000)
        const lines = toLines(
          changeLines({ plan: PRO, cents: 14_900 }, { plan: TEAM, cents: 49_900 }, term, at),
        )
        const total = sumOf(lines)
        expect(total).toBe(round(partOfTerm(35_000, term, at)))
        expect(total >= 0n && total <= 35_000n).toBe(true)
      }),
    )
  })

  test('at the beginning of a term costs all of it, and at its end nothing', () => {
    const cost = (at: Date) =>
      sumOf(toLines(changeLines({ plan: PRO, cents: 14_900 }, { plan: TEAM, cents: 49_900 }, JANUARY, at)))
    expect(cost(JANUARY.start)).toBe(35_000n)
    expect(cost(JANUARY.end)).toBe(0n)
  })
})

test('baseFee() takes a tenth off a year and a fifth off two, where the plan says no other', () => {
  expect([baseFee(PRO, 'month'), baseFee(PRO, 'year'), baseFee(PRO, 'two_years')]).toEqual([
    14_900, 160_920, 286_080,
  ])
  expect(baseFee({ ...PRO, monthCents: null, yearCents: null }, 'year')).toBeUndefined()
})
