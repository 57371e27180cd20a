/** The states of a subscription, and what each means for its tenant. The names are Stripe's. */
export const STATUSES = [
  'trialing',
  'active',
  'past_due',
  'canceled',
  'incomplete',
  'incomplete_expired',
  'unpaid',
  'paused',
] as const
export type Status = (typeof STATUSES)[number]

/** How long a tenant keeps its plan although a payment has failed. */
export const GRACE_DAYS = 7
/** How long before a trial ends its tenant is notified. */
export const TRIAL_NOTICE_DAYS = 3
/** How long an invoice that is paid by bank transfer may stay open. */
export const PAYMENT_DAYS = 14

const DAY_MS = 86_400_000

/** The time `days` later; a day is 24 hours. */
export function addDays(at: Date, days: number): Date {
  return new Date(at.getTime() + days * DAY_MS)
}

/** What happens to a subscription. */
export type Change =
  | 'trial_ended'
  | 'trial_ended_unpaid'
  | 'payment_failed'
  | 'payment_settled'
  | 'grace_ended'
  | 'period_ended_canceling'
  | 'canceled_at_once'

/** Where each change leads from each state; what is not listed changes nothing. */
const TRANSITIONS: Partial<Record<Status, Partial<Record<Change, Status>>>> = {
  trialing: {
    trial_ended: 'active',
    trial_ended_unpaid: 'canceled',
    period_ended_canceling: 'canceled',
    canceled_at_once: 'canceled',
  },
  active: {
    payment_failed: 'past_due',
    period_ended_canceling: 'canceled',
    canceled_at_once: 'canceled',
  },
  past_due: {
    payment_settled: 'active',
    grace_ended: 'canceled',
    period_ended_canceling: 'canceled',
    canceled_at_once: 'canceled',
  },
  incomplete: { payment_settled: 'active', canceled_at_once: 'canceled' },
  unpaid: { payment_settled: 'active', canceled_at_once: 'canceled' },
  paused: { payment_settled: 'active', canceled_at_once: 'canceled' },
}

/** The state after `change`; the same where it does not apply. */
export function after(status: Status, change: Change): Status {
  return TRANSITIONS[status]?.[change] ?? status
}

/** Whether nothing follows any more. */
export function hasEnded(status: Status): boolean {
  return status === 'canceled' || status === 'incomplete_expired'
}

/**
 * Whether the tenant has what it subscribed to: in trial, while it pays, and while a failed payment may still be made good. All others
 * are on the free plan.
 */
export function entitles(
  { status, pastDueSince }: { status: Status; pastDueSince: Date | null },
  now: Date,
): boolean {
  if (status === 'trialing' || status === 'active') return true
  if (status !== 'past_due') return false
  return pastDueSince === null || now < addDays(pastDueSince, GRACE_DAYS)
}

/** What is done about a failed payment, in days from when it failed. The last ends the subscription. */
export const DUNNING = [
  { day: 0, step: 'reminder' },
  { day: 3, step: 'second_reminder' },
  { day: 5, step: 'last_notice' },
  { day: GRACE_DAYS, step: 'end' },
] as const
export type DunningStep = (typeof DUNNING)[number]['step']
