import { describe, expect, test } from 'vitest'
import {
  addDays,
  after,
  DUNNING,
  entitles,
  GRACE_DAYS,
  hasEnded,
  STATUSES,
  type Change,
} from '../../../shared/billing/subscriptions/states.ts'

const CHANGES: Change[] = [
  'trial_ended',
  'trial_ended_unpaid',
  'payment_failed',
  'payment_settled',
  'grace_ended',
  'period_ended_canceling',
  'canceled_at_once',
]
const NOW = new Date('2026-03-31T00:00:00Z')

describe('after()', () => {
  test.for([
    ['trialing', 'trial_ended', 'active'],
    ['trialing', 'trial_ended_unpaid', 'canceled'],
    ['trialing', 'payment_failed', 'trialing'],
    ['active', 'payment_failed', 'past_due'],
    ['active', 'trial_ended', 'active'],
    ['past_due', 'payment_settled', 'active'],
    ['past_due', 'grace_ended', 'canceled'],
    ['unpaid', 'payment_settled', 'active'],
    ['paused', 'payment_failed', 'paused'],
    ['incomplete', 'canceled_at_once', 'canceled'],
  ] as const)('from %s by %s comes to %s', ([from, change, to]) => {
    expect(after(from, change)).toBe(to)
  })

  test('leads out of an end never', () => {
    for (const status of STATUSES.filter(hasEnded))
      for (const change of CHANGES) expect(after(status, change)).toBe(status)
  })
})

describe('entitles()', () => {
  test.for(STATUSES)('says of "%s" what may be used', (status) => {
    const may = ['trialing', 'active', 'past_due'].includes(status)
    expect(entitles({ status, pastDueSince: null }, NOW)).toBe(may)
  })

  test('leaves a plan for the days of grace, and not a second longer', () => {
    const failed = { status: 'past_due', pastDueSince: NOW } as const
    const end = addDays(NOW, GRACE_DAYS)
    expect(entitles(failed, new Date(end.getTime() - 1))).toBe(true)
    expect(entitles(failed, end)).toBe(false)
    expect(DUNNING.at(-1)).toEqual({ day: GRACE_DAYS, step: 'end' })
  })
})
