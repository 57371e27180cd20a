import { expect, test } from 'vitest'
import {
  checkCredits,
  Credits,
  defaultExpiry,
  type CreditKind,
} from '../../../shared/billing/ledger/credits.ts'

test.for<[CreditKind, string, string]>([
  ['promotional', '2026-11-27T21:00:00.000Z', '2027-02-25T21:00:00.000Z'],
  ['rollover', '2026-01-31T23:59:59.999Z', '2026-02-28T23:59:59.999Z'],
  ['rollover', '2028-01-31T00:00:00.000Z', '2028-02-29T00:00:00.000Z'],
  ['rollover', '2026-12-31T12:00:00.000Z', '2027-01-31T12:00:00.000Z'],
  ['rollover', '2026-03-31T12:00:00.000Z', '2026-04-30T12:00:00.000Z'],
  // The clocks of many places change in between; those of UTC do not.
  ['rollover', '2026-03-15T02:30:00.000Z', '2026-04-15T02:30:00.000Z'],
  ['prepaid', '2028-02-29T08:00:00.000Z', '2029-02-28T08:00:00.000Z'],
  ['compensation', '2026-06-30T08:00:00.000Z', '2027-06-30T08:00:00.000Z'],
])('defaultExpiry() of %s from %s is %s', ([kind, from, until]) => {
  expect(defaultExpiry(kind, new Date(from)).toISOString()).toBe(until)
})

test.for([0.1, 0.000001, 33.333333, 1_000_000_000, 123456789.123456])('Credits takes %s', (amount) => {
  expect(Credits.safeParse(amount).success).toBe(true)
  expect(() => checkCredits(amount, 'more')).not.toThrow()
})

test.for([0, -0.01, 0.0000001, 1.0000001, 1_000_000_001, Number.NaN, Infinity])(
  'Credits refuses %s',
  (amount) => {
    expect(Credits.safeParse(amount).success).toBe(false)
    expect(() => checkCredits(amount, 'more')).toThrow(TypeError)
  },
)
