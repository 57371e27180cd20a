/**
 * What time brings to a tenant's billing, in one transaction: trials and months that end, invoices that are overdue, steps that are
 * taken about them. Run again it changes nothing, and what was missed while nothing ran is made good, month by month.
 */
import { BILLING_EVENTS } from '../../events/billing-events.ts'
import type { Billing } from '../billing.ts'
import { restoreCredits } from '../invoices/issue.ts'
import { numberOf, openCents, readInvoice, type InvoiceRow } from '../invoices/rows.ts'
import { failInvoice, recover, settleWaiting } from '../invoices/settle.ts'
import { grantCredits } from '../ledger/ledger.ts'
import { applyPlan } from './apply-plan.ts'
import { beginMonths, endMonth, endSubscription } from './months.ts'
import {
  isEntitling,
  liveSubscriptions,
  report,
  subscriptionById,
  updateSubscription,
  type SubscriptionRow,
} from './rows.ts'
import { addDays, after, TRIAL_NOTICE_DAYS, type DunningStep } from './states.ts'

/** More months than anything was ever left alone: a row that is wrong keeps nobody busy for ever. */
const MAX_STEPS = 240

/** Does all that is due now; of a tenant that is deleted, nothing. */
export async function advance(billing: Billing): Promise<void> {
  if (billing.isDeleted) return
  for (const row of await liveSubscriptions(billing.db)) await advanceSubscription(billing, row)
  await settleWaiting(billing)
  await failOverdue(billing)
  for (const row of await liveSubscriptions(billing.db)) await lapse(billing, row)
  await takeDunningSteps(billing)
  for (const row of await liveSubscriptions(billing.db))
    if (row.stripe_id === null) await recover(billing, row.id)
  await refundNotes(billing)
  await restoreVoid(billing)
  await applyPlan(billing)
}

/** Does what is due of one subscription. */
export async function advanceSubscription(billing: Billing, row: SubscriptionRow): Promise<SubscriptionRow> {
  if (billing.isDeleted) return row
  let current = await noticeTrial(billing, row)
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    const next = await step(billing, current)
    if (next === undefined) return current
    current = next
  }
  throw new Error(`Subscription ${row.id} does not come to an end`)
}

async function step(billing: Billing, row: SubscriptionRow): Promise<SubscriptionRow | undefined> {
  const { now } = billing
  if (row.ended_at !== null) return undefined
  if (row.status === 'trialing') {
    if (row.stripe_id !== null || row.trial_end === null || row.trial_end > now) return undefined
    return endTrial(billing, row, row.trial_end)
  }
  const runs = row.status === 'active' || row.status === 'past_due'
  return runs && row.month >= 0 && row.period_end <= now ? endMonth(billing, row) : undefined
}

/** A trial becomes a subscription where that can be invoiced; the payment provider's own are its business. */
async function endTrial(billing: Billing, row: SubscriptionRow, at: Date): Promise<SubscriptionRow> {
  if (row.cancels_at_end || billing.hasProvider) {
    return endSubscription(
      billing,
      row,
      at,
      row.cancels_at_end ? 'period_ended_canceling' : 'trial_ended_unpaid',
    )
  }
  const status = after(row.status, 'trial_ended')
  const begun = await beginMonths(billing, await updateSubscription(billing, row, { status }), at)
  report(billing, 'subscriptionUpdated', begun)
  return begun
}

async function noticeTrial(billing: Billing, row: SubscriptionRow): Promise<SubscriptionRow> {
  const { now, emit } = billing
  const { trial_end } = row
  if (row.status !== 'trialing' || trial_end === null || row.trial_noticed_at !== null) return row
  if (trial_end > addDays(now, TRIAL_NOTICE_DAYS)) return row
  emit(BILLING_EVENTS.trialEnding, {
    subscription: row.id,
    plan: row.plan,
    trial_end: trial_end.toISOString(),
  })
  return updateSubscription(billing, row, { trial_noticed_at: now })
}

/** Without the days of grace a subscription that is past due entitles to nothing, until it is paid. */
async function lapse(billing: Billing, row: SubscriptionRow): Promise<void> {
  if (row.status !== 'past_due' || row.lapsed_at !== null || isEntitling(row, billing.now)) return
  report(billing, 'subscriptionUpdated', await updateSubscription(billing, row, { lapsed_at: billing.now }))
}

async function failOverdue(billing: Billing): Promise<void> {
  const { db, now } = billing
  const rows = await db<InvoiceRow[]>`
    select * from invoices where status = 'finalized' and due_at <= ${now} order by seq`
  for (const row of rows) await failInvoice(billing, readInvoice(row))
}

interface DueStep extends InvoiceRow {
  step: DunningStep
}

/** Takes the steps that are due about invoices that are still not paid; about others there is nothing to do. */
async function takeDunningSteps(billing: Billing): Promise<void> {
  const { db, emit, now } = billing
  const due = await db<DueStep[]>`
    select i.*, d.step from dunning d join invoices i on i.id = d.invoice_id
    where d.done_at is null and d.due_at <= ${now} order by d.due_at, i.id`
  for (const row of due) {
    const invoice = readInvoice(row)
    await db`update dunning set done_at = ${now} where invoice_id = ${row.id} and step = ${row.step}`
    if (invoice.status !== 'failed') continue
    emit(BILLING_EVENTS.paymentFailed, {
      invoice: row.id,
      number: numberOf(invoice),
      open_cents: openCents(invoice),
      step: row.step,
    })
    if (row.step === 'end') await endUnpaid(billing, row.subscription_id)
  }
}

/** What is invoiced by us ends. What the provider collects is its to end; meanwhile it entitles to nothing. */
async function endUnpaid(billing: Billing, id: string): Promise<void> {
  const row = await subscriptionById(billing.db, id)
  if (row === undefined || row.ended_at !== null || row.stripe_id !== null) return
  await endSubscription(billing, row, billing.now, 'grace_ended')
}

/** What was paid of an invoice and credited later is given back as credits. */
async function refundNotes({ db, now }: Billing): Promise<void> {
  const notes = await db<{ id: string; refund_cents: string }[]>`
    select id, refund_cents from credit_notes where refund_cents > 0 and refunded_at is null order by id`
  for (const { id, refund_cents } of notes) {
    await grantCredits(db, {
      kind: 'compensation',
      amount: Number(refund_cents),
      source: `credit-note:${id}`,
    })
    await db`update credit_notes set refunded_at = ${now} where id = ${id}`
  }
}

/** A void invoice takes no credits. */
async function restoreVoid(billing: Billing): Promise<void> {
  const { db, now } = billing
  const rows = await db<(Pick<InvoiceRow, 'id' | 'subscription_id' | 'key'> & { spent: string })[]>`
    select i.id, i.subscription_id, i.key,
      coalesce((select -sum(l.cents) from invoice_lines l where l.invoice_id = i.id and l.kind = 'credit' and l.cents < 0), 0) as spent
    from invoices i where i.status = 'void' and i.restored_at is null order by i.id`
  for (const { id, spent, ...row } of rows) {
    if (Number(spent) > 0) await restoreCredits(billing, row, Number(spent))
    await db`update invoices set restored_at = ${now} where id = ${id}`
    await recover(billing, row.subscription_id)
  }
}
