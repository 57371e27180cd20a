/** What a tenant does with its subscription: begins, changes, cancels and resumes it. A change can be computed without being made. */
import { Failure } from '../../failures.ts'
import { newId } from '../../new-id.ts'
import type { Tier } from '../../plans/tiers.ts'
import type { Billing } from '../billing.ts'
import { issueInvoice } from '../invoices/issue.ts'
import { baseLine, changeLines, type ExactLine } from '../invoices/lines.ts'
import { termOf, type Period } from '../invoices/months.ts'
import { readInvoice, type InvoiceRow } from '../invoices/rows.ts'
import { baseFee, findPlan, isLarger, TERMS, type BilledPlan, type Term } from '../plans.ts'
import { applyPlan } from './apply-plan.ts'
import { beginMonths, currentTerm, planOf } from './months.ts'
import {
  currentOf,
  insertSubscription,
  liveSubscriptions,
  report,
  updateSubscription,
  type SubscriptionRow,
} from './rows.ts'
import { addDays } from './states.ts'

export interface Wanted {
  plan: Tier
  term: Term
}

/** What a change comes to, before it is made. */
export type Planned = { plan: BilledPlan; term: Term; cents: number } & (
  | { kind: 'trial'; trialEnd: Date }
  | { kind: 'start'; lines: ExactLine[]; period: Period }
  | { kind: 'upgrade'; row: SubscriptionRow; lines: ExactLine[]; period: Period }
  | { kind: 'at_end'; row: SubscriptionRow; at: Date }
)

/**
 * What `wanted` would come to now. A larger plan is had at once, and what is left of the term is paid in proportion; a smaller
 * one, or another term, from the end of the term on. Of the first subscription of a tenant the first days are a trial.
 *
 * @param by `checkout` where it is paid for as it begins
 * @throws Failure STATE_CONFLICT where it is that already, PRECONDITION_FAILED where it is to be bought otherwise
 */
export async function planChange(billing: Billing, wanted: Wanted, by?: 'checkout'): Promise<Planned> {
  const { db, now } = billing
  const { term } = wanted
  const { plan, cents } = await sold(billing, wanted)
  const row = currentOf(await liveSubscriptions(db), now)
  if (row === undefined) return planStart(billing, plan, term, cents, by)
  if (row.status === 'trialing' || row.month < 0) return planTrialChange(row, plan, term, cents, by)
  if (isLarger(plan.id, row.plan)) return planUpgrade(billing, row, plan, term)
  const isSame = plan.id === row.plan && term === row.term
  if (isSame && row.next_plan === null)
    throw new Failure('STATE_CONFLICT', `Cannot change to plan "${plan.id}": it is your plan already`)
  return { kind: 'at_end', plan, term, cents, row, at: currentTerm(row).end }
}

async function sold(
  { db }: Billing,
  { plan: id, term }: Wanted,
): Promise<{ plan: BilledPlan; cents: number }> {
  const plan = await findPlan(db, id)
  const cents = plan === undefined ? undefined : baseFee(plan, term)
  if (plan !== undefined && cents !== undefined && cents > 0) return { plan, cents }
  throw new Failure('STATE_CONFLICT', `Cannot subscribe to plan "${id}": it is not sold by itself`, {
    suggestion:
      id === 'free' ? 'Cancel your subscription instead' : 'Ask the operator of this platform for an offer',
  })
}

async function planStart(
  billing: Billing,
  plan: BilledPlan,
  term: Term,
  cents: number,
  by: 'checkout' | undefined,
): Promise<Planned> {
  const { db, now } = billing
  const before = await db`select from plan_subscriptions where status <> 'incomplete_expired' limit 1`
  if (before.length === 0 && plan.trialDays > 0)
    return { kind: 'trial', plan, term, cents, trialEnd: addDays(now, plan.trialDays) }
  if (billing.hasProvider && by === undefined) throw buyFirst(plan)
  const period = termOf(now, 0, TERMS[term])
  return { kind: 'start', plan, term, cents, period, lines: [baseLine(plan, period, cents)] }
}

/** During a trial any plan may be tried, for what is left of it. */
function planTrialChange(
  row: SubscriptionRow,
  plan: BilledPlan,
  term: Term,
  cents: number,
  by: 'checkout' | undefined,
): Planned {
  if (by === undefined && plan.id === row.plan && term === row.term)
    throw new Failure('STATE_CONFLICT', `Cannot change to plan "${plan.id}": you are trying it already`)
  const trialEnd = row.trial_end ?? row.period_end
  return { kind: 'upgrade', plan, term, cents, row, lines: [], period: { start: trialEnd, end: trialEnd } }
}

/** At once for the rest of the running term; another term begins after that. */
async function planUpgrade(
  billing: Billing,
  row: SubscriptionRow,
  plan: BilledPlan,
  term: Term,
): Promise<Planned> {
  const cents = baseFee(plan, row.term) ?? 0
  const running = currentTerm(row)
  const from = { plan: await planOf(billing, row), cents: row.base_cents }
  const lines = changeLines(from, { plan, cents }, running, billing.now)
  return { kind: 'upgrade', plan, term, cents, row, lines, period: { start: billing.now, end: running.end } }
}

function buyFirst(plan: BilledPlan): Failure {
  return new Failure('PRECONDITION_FAILED', `Cannot subscribe to plan "${plan.id}": it is paid for first`, {
    suggestion: 'POST /v1/billing/checkout answers where',
  })
}

export interface Changed {
  subscription: SubscriptionRow
  invoice?: InvoiceRow
}

/** Makes a change. Those that have nothing to pay have no invoice. */
export async function makeChange(billing: Billing, planned: Planned): Promise<Changed> {
  const changed = await make(billing, planned)
  await applyPlan(billing)
  return changed
}

async function make(billing: Billing, planned: Planned): Promise<Changed> {
  if (planned.kind === 'trial' || planned.kind === 'start') return begin(billing, planned)
  const { plan, term } = planned
  if (planned.kind === 'at_end') {
    const isCurrent = plan.id === planned.row.plan && term === planned.row.term
    const next = isCurrent
      ? NO_NEXT
      : { next_plan: plan.id, next_plan_version: plan.version, next_term: term }
    const subscription = await updateSubscription(billing, planned.row, { ...next, cancels_at_end: false })
    report(billing, 'subscriptionUpdated', subscription)
    return { subscription }
  }
  return upgrade(billing, planned)
}

const NO_NEXT = { next_plan: null, next_plan_version: null, next_term: null }

async function begin(
  billing: Billing,
  planned: Extract<Planned, { kind: 'trial' | 'start' }>,
): Promise<Changed> {
  const { now } = billing
  const { plan, term, cents } = planned
  const isTrial = planned.kind === 'trial'
  const end = isTrial ? planned.trialEnd : planned.period.end
  billing.changed = true
  const row = await insertSubscription(billing, {
    id: newId(),
    plan: plan.id,
    plan_version: plan.version,
    term,
    base_cents: cents,
    status: isTrial ? 'trialing' : 'active',
    anchor: end,
    month: -1,
    period_start: now,
    period_end: end,
    trial_end: isTrial ? end : null,
    cancels_at_end: false,
    past_due_since: null,
    ended_at: null,
    stripe_id: null,
    created_at: now,
  })
  const subscription = isTrial ? row : await beginMonths(billing, row, now)
  report(billing, 'subscriptionStarted', subscription)
  return { subscription, ...(await lastInvoice(billing, subscription)) }
}

async function upgrade(billing: Billing, planned: Extract<Planned, { kind: 'upgrade' }>): Promise<Changed> {
  const { plan, term, cents, row, lines, period } = planned
  const isTrial = row.month < 0
  const later =
    isTrial || term === row.term
      ? NO_NEXT
      : { next_plan: plan.id, next_plan_version: plan.version, next_term: term }
  const subscription = await updateSubscription(billing, row, {
    plan: plan.id,
    plan_version: plan.version,
    base_cents: cents,
    changes: row.changes + 1,
    cancels_at_end: false,
    ...(isTrial ? { term } : {}),
    ...later,
  })
  report(billing, 'subscriptionUpdated', subscription)
  if (lines.length === 0) return { subscription }
  const key = `change:${subscription.changes}`
  return { subscription, invoice: await issueInvoice(billing, { subscription, key, plan, period, lines }) }
}

async function lastInvoice({ db }: Billing, { id }: SubscriptionRow): Promise<{ invoice?: InvoiceRow }> {
  const [invoice] = await db<
    InvoiceRow[]
  >`select * from invoices where subscription_id = ${id} order by seq desc limit 1`
  return invoice === undefined ? {} : { invoice: readInvoice(invoice) }
}

/** Cancels at the end of what is paid, or takes that back. */
export async function setCanceling(billing: Billing, cancels: boolean): Promise<SubscriptionRow> {
  const { db, now } = billing
  const row = currentOf(await liveSubscriptions(db), now)
  const what = cancels ? 'cancel' : 'resume'
  if (row === undefined)
    throw new Failure('STATE_CONFLICT', `Cannot ${what} your subscription: you have none`)
  if (row.cancels_at_end === cancels)
    throw new Failure(
      'STATE_CONFLICT',
      `Cannot ${what} your subscription: it ${cancels ? 'ends' : 'goes on'} already`,
    )
  const changed = await updateSubscription(billing, row, {
    cancels_at_end: cancels,
    ...(cancels ? NO_NEXT : {}),
  })
  report(billing, 'subscriptionUpdated', changed)
  return changed
}
