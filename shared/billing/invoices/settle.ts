/** Payments, and payments that fail. Each payment counts once, whatever it is notified by and however often. */
import { BILLING_EVENTS } from '../../events/billing-events.ts'
import { newId } from '../../new-id.ts'
import type { Billing } from '../billing.ts'
import { report, subscriptionById, updateSubscription } from '../subscriptions/rows.ts'
import { addDays, after, DUNNING } from '../subscriptions/states.ts'
import { numberOf, openCents, readInvoice, type InvoiceRow } from './rows.ts'

export interface Payment {
  cents: number
  /** The invoice of the payment provider. */
  reference: string
  /** The subscription of the payment provider that it is for; absent where it names our invoice. */
  stripeSubscription?: string | undefined
  invoice?: string | undefined
}

/** Takes a payment of the provider. It waits where there is no invoice yet that it could be for. */
export async function takePayment(billing: Billing, payment: Payment): Promise<void> {
  const { db, tenant, now } = billing
  const { cents, reference, stripeSubscription = null } = payment
  if (!Number.isSafeInteger(cents) || cents < 1) return
  const rows = await db`
    insert into payments (id, tenant_id, cents, method, reference, stripe_subscription, received_at)
    values (${newId()}, ${tenant}, ${cents}, 'stripe', ${reference}, ${stripeSubscription}, ${now})
    on conflict (reference) where method = 'stripe' do nothing returning id`
  if (rows.length === 0) return
  await settleWaiting(billing, payment.invoice)
}

interface WaitingPayment {
  id: string
  cents: string
  stripe_subscription: string | null
}

/**
 * Lets payments that wait pay for invoices: the one that is named, else the oldest one whose base fee is open of the same
 * subscription of the provider.
 */
export async function settleWaiting(billing: Billing, named?: string): Promise<void> {
  const { db } = billing
  const waiting = await db<WaitingPayment[]>`
    select id, cents, stripe_subscription from payments where invoice_id is null order by received_at, id`
  for (const { id, cents, stripe_subscription } of waiting) {
    const [row] = await db<InvoiceRow[]>`
      select * from invoices where status in ('finalized', 'failed') and (
        (${named ?? null}::uuid is not null and id = ${named ?? null}::uuid)
        or (${stripe_subscription}::text is not null and stripe_subscription = ${stripe_subscription} and paid_cents < base_cents))
      order by period_start, id limit 1`
    if (row === undefined) continue
    await db`update payments set invoice_id = ${row.id} where id = ${id}`
    await pay(billing, readInvoice(row), Number(cents))
  }
}

async function pay(billing: Billing, invoice: InvoiceRow, cents: number): Promise<void> {
  const { db, emit, now } = billing
  const isPaid = cents >= openCents(invoice)
  await db`
    update invoices set paid_cents = paid_cents + ${cents}, status = ${isPaid ? 'paid' : invoice.status},
      paid_at = ${isPaid ? now : null}
    where id = ${invoice.id}`
  emit(BILLING_EVENTS.paymentSucceeded, { invoice: invoice.id, number: numberOf(invoice), cents })
  if (isPaid) await recover(billing, invoice.subscription_id)
}

/** A subscription is active again when none of its invoices is left that was not paid. */
export async function recover(billing: Billing, subscription: string): Promise<void> {
  const { db } = billing
  const row = await subscriptionById(db, subscription)
  if (row === undefined || row.status !== 'past_due') return
  const failed =
    await db`select from invoices where subscription_id = ${subscription} and status = 'failed' limit 1`
  if (failed.length > 0) return
  const status = after(row.status, 'payment_settled')
  report(
    billing,
    'subscriptionUpdated',
    await updateSubscription(billing, row, { status, past_due_since: null, lapsed_at: null }),
  )
}

/** Notes that an invoice was not paid: its subscription is past due, and what is done about it is planned. */
export async function failInvoice(billing: Billing, invoice: InvoiceRow): Promise<void> {
  if (invoice.status !== 'finalized') return
  const { db, emit, tenant, now } = billing
  await db`update invoices set status = 'failed' where id = ${invoice.id}`
  emit(BILLING_EVENTS.paymentFailed, {
    invoice: invoice.id,
    number: numberOf(invoice),
    open_cents: openCents(invoice),
  })
  for (const { day, step } of DUNNING) {
    db.send(db`
      insert into dunning (tenant_id, invoice_id, step, due_at)
      values (${tenant}, ${invoice.id}, ${step}, ${addDays(now, day)}) on conflict do nothing`)
  }
  const row = await subscriptionById(db, invoice.subscription_id)
  if (row === undefined || row.status !== 'active') return
  const status = after(row.status, 'payment_failed')
  report(
    billing,
    'subscriptionUpdated',
    await updateSubscription(billing, row, { status, past_due_since: row.past_due_since ?? now }),
  )
}
