/** A subscription of the provider becomes ours: its plan by our mark on it, its state as the provider says. */
import { newId } from '../../new-id.ts'
import { TIERS, type Tier } from '../../plans/tiers.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Billing } from '../billing.ts'
import { issueInvoice } from '../invoices/issue.ts'
import { changeLines } from '../invoices/lines.ts'
import { findPlan, isLarger, TERMS, type BilledPlan, type Term } from '../plans.ts'
import { advanceSubscription } from '../subscriptions/advance.ts'
import { beginMonths, currentTerm, endSubscription, planOf } from '../subscriptions/months.ts'
import {
  insertSubscription,
  isEntitling,
  liveSubscriptions,
  report,
  subscriptionOfStripe,
  updateSubscription,
  type SubscriptionPatch,
  type SubscriptionRow,
} from '../subscriptions/rows.ts'
import { addDays, hasEnded } from '../subscriptions/states.ts'
import { TAGS, type StripeSubscription } from './objects.ts'

/** What our mark on a subscription says. */
interface Marked {
  plan: BilledPlan
  term: Term
  cents: number
  /** From when on. */
  from: Date
}

/** Makes our subscription what the provider's is; the same again changes nothing. */
export async function applySubscription(
  billing: Billing,
  stripe: StripeSubscription,
  log: Log,
): Promise<void> {
  const marked = await readMark(billing, stripe)
  if (marked === undefined) {
    log.warn({ stripe_subscription: stripe.id }, 'a subscription of the payment provider is none of ours')
    return
  }
  const known = await subscriptionOfStripe(billing.db, stripe.id)
  const before = known ?? (await insert(billing, stripe, marked))
  const row = await follow(billing, await changePlan(billing, before, marked), stripe)
  reportChange(billing, known, row)
  if (isEntitling(row, billing.now)) await replaceOthers(billing, row)
}

async function readMark(
  { db, tenant, now }: Billing,
  { metadata, items }: StripeSubscription,
): Promise<Marked | undefined> {
  const [id, term] = [metadata[TAGS.plan], metadata[TAGS.term]]
  const version = Number(metadata[TAGS.planVersion])
  const price = items.data[0]?.price
  if (metadata[TAGS.tenant] !== tenant || !isTier(id) || !isTerm(term) || !Number.isSafeInteger(version))
    return undefined
  const plan = await findPlan(db, id, version)
  if (plan === undefined || price?.unit_amount == null || price.currency !== 'usd') return undefined
  const from = new Date(metadata[TAGS.from] ?? now)
  return { plan, term, cents: price.unit_amount, from }
}

function isTier(text: string | undefined): text is Tier {
  return (TIERS as readonly (string | undefined)[]).includes(text)
}

function isTerm(text: string | undefined): text is Term {
  return text !== undefined && Object.hasOwn(TERMS, text)
}

async function insert(
  billing: Billing,
  stripe: StripeSubscription,
  { plan, term, cents }: Marked,
): Promise<SubscriptionRow> {
  billing.changed = true
  const { created, trial_end } = stripe
  const start = created < billing.now ? created : billing.now
  return insertSubscription(billing, {
    id: newId(),
    plan: plan.id,
    plan_version: plan.version,
    term,
    base_cents: cents,
    status: 'incomplete',
    anchor: stripe.billing_cycle_anchor,
    month: -1,
    period_start: start,
    period_end: trial_end != null && trial_end > start ? trial_end : addDays(start, 1),
    trial_end: trial_end ?? null,
    cancels_at_end: stripe.cancel_at_period_end,
    past_due_since: null,
    ended_at: null,
    stripe_id: stripe.id,
    created_at: created,
  })
}

/** The plan that was changed at the provider: a larger one at once, with what is left of the term, another one when its time comes. */
async function changePlan(billing: Billing, row: SubscriptionRow, marked: Marked): Promise<SubscriptionRow> {
  const { plan, term, cents, from } = marked
  if (from > billing.now) {
    const next = { next_plan: plan.id, next_plan_version: plan.version, next_term: term }
    return patch(billing, row, next)
  }
  if (row.plan === plan.id && row.plan_version === plan.version) return row
  const running = row.month >= 0 && row.status !== 'incomplete' ? currentTerm(row) : undefined
  const old = { plan: await planOf(billing, row), cents: row.base_cents }
  const changed = await updateSubscription(billing, row, {
    plan: plan.id,
    plan_version: plan.version,
    base_cents: cents,
    changes: row.changes + 1,
    next_plan: null,
    next_plan_version: null,
    next_term: null,
  })
  if (running === undefined || !isLarger(plan.id, old.plan.id)) return changed
  await issueInvoice(billing, {
    subscription: changed,
    key: `change:${changed.changes}`,
    plan,
    period: { start: from, end: running.end },
    lines: changeLines(old, { plan, cents }, running, from < running.start ? running.start : from),
  })
  return changed
}

/** Its state, and the months that have begun by it. */
async function follow(
  billing: Billing,
  row: SubscriptionRow,
  stripe: StripeSubscription,
): Promise<SubscriptionRow> {
  const { status } = stripe
  if (hasEnded(status)) return end(billing, row, stripe)
  const since = status === 'past_due' ? (row.past_due_since ?? billing.now) : null
  let current = await patch(billing, row, {
    status,
    cancels_at_end: stripe.cancel_at_period_end,
    past_due_since: since,
    lapsed_at: since === null ? null : row.lapsed_at,
    ended_at: null,
    trial_end: stripe.trial_end ?? null,
  })
  const runs = status === 'active' || status === 'past_due'
  if (runs && current.month < 0) current = await beginMonths(billing, current, stripe.billing_cycle_anchor)
  return advanceSubscription(billing, current)
}

async function end(
  billing: Billing,
  row: SubscriptionRow,
  stripe: StripeSubscription,
): Promise<SubscriptionRow> {
  if (row.ended_at !== null) return row
  const at = stripe.ended_at ?? billing.now
  if (row.status !== 'incomplete') {
    return endSubscription(billing, row, at < billing.now ? at : billing.now, 'canceled_at_once')
  }
  return updateSubscription(billing, row, { status: stripe.status, ended_at: at })
}

/** Writes only what is another value than before. */
async function patch(
  billing: Billing,
  row: SubscriptionRow,
  wanted: SubscriptionPatch,
): Promise<SubscriptionRow> {
  const changed = Object.entries(wanted).filter(
    ([name, value]) => !isSame(row[name as keyof SubscriptionRow], value),
  )
  return changed.length === 0 ? row : updateSubscription(billing, row, Object.fromEntries(changed))
}

function isSame(a: unknown, b: unknown): boolean {
  return a instanceof Date && b instanceof Date ? a.getTime() === b.getTime() : a === b
}

function reportChange(billing: Billing, known: SubscriptionRow | undefined, row: SubscriptionRow): void {
  const [was, is] = [known !== undefined && isEntitling(known, billing.now), isEntitling(row, billing.now)]
  // Its end is reported where it ends.
  if (!was && is) report(billing, 'subscriptionStarted', row)
  else if (is && known !== undefined && JSON.stringify(known) !== JSON.stringify(row))
    report(billing, 'subscriptionUpdated', row)
}

/** What was begun without the provider ends where the provider's begins. */
async function replaceOthers(billing: Billing, { id }: SubscriptionRow): Promise<void> {
  for (const row of await liveSubscriptions(billing.db)) {
    if (row.id !== id && row.stripe_id === null)
      await endSubscription(billing, row, billing.now, 'canceled_at_once')
  }
}
