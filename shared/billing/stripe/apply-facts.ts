/** What objects of the provider mean for a tenant: its subscription, payments of its invoices, its credits. */
import type { Log } from '../../telemetry/log.ts'
import type { Billing } from '../billing.ts'
import { invoiceById, readInvoice, type InvoiceRow } from '../invoices/rows.ts'
import { failInvoice, takePayment } from '../invoices/settle.ts'
import { grantCredits } from '../ledger/ledger.ts'
import { applyPlan } from '../subscriptions/apply-plan.ts'
import { applySubscription } from './apply-subscription.ts'
import { TAGS, type StripeCustomer, type StripeInvoice, type StripePaymentIntent } from './objects.ts'
import { priceOfPack } from './packs.ts'
import type { Facts } from './read-facts.ts'

/** Applies what was read; the same again changes nothing. */
export async function applyFacts(billing: Billing, facts: Facts, log: Log): Promise<void> {
  if (facts.customer !== undefined) await applyCustomer(billing, facts.customer)
  if (facts.subscription !== undefined) await applySubscription(billing, facts.subscription, log)
  if (facts.invoice !== undefined) await applyInvoice(billing, facts.invoice, log)
  if (facts.payment !== undefined) await applyPayment(billing, facts.payment, log)
  await applyPlan(billing)
}

/** A customer that is gone stays known, for what may still come about it. */
async function applyCustomer({ db, now }: Billing, { id, email, deleted }: StripeCustomer): Promise<void> {
  await db`
    update stripe_customers set email = ${email ?? null}, deleted_at = ${deleted ? now : null}
    where id = ${id} and (deleted_at is null or ${deleted})`
}

async function applyInvoice(billing: Billing, invoice: StripeInvoice, log: Log): Promise<void> {
  const { id, currency, status, attempt_count } = invoice
  if (currency !== 'usd') {
    log.warn({ stripe_invoice: id, currency }, 'an invoice of the payment provider is not in US dollars')
    return
  }
  if (status === 'paid') {
    // Taxes are on the provider's invoice alone.
    const cents = Math.min(invoice.amount_paid, invoice.total_excluding_tax ?? invoice.amount_paid)
    await takePayment(billing, {
      cents,
      reference: id,
      stripeSubscription: invoice.parent?.subscription_details?.subscription,
      invoice: namedBy(invoice),
    })
  } else if (attempt_count > 0 && status !== 'void') {
    const failed = await ourInvoice(billing, invoice)
    if (failed !== undefined) await failInvoice(billing, failed)
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function namedBy({ metadata }: StripeInvoice): string | undefined {
  const named = metadata?.[TAGS.invoice]
  return named !== undefined && UUID.test(named) ? named : undefined
}

/** Our invoice that one of the provider is to pay. */
async function ourInvoice({ db }: Billing, invoice: StripeInvoice): Promise<InvoiceRow | undefined> {
  const named = namedBy(invoice)
  if (named !== undefined) return invoiceById(db, named)
  const subscription = invoice.parent?.subscription_details?.subscription
  if (subscription === undefined) return undefined
  const [row] = await db<InvoiceRow[]>`
    select * from invoices where stripe_subscription = ${subscription} and status = 'finalized' and paid_cents < base_cents
    order by period_start limit 1`
  return row === undefined ? undefined : readInvoice(row)
}

/** A payment that bought credits, as our own mark on it says: as many as are sold for what was paid, and no others. */
async function applyPayment({ db, tenant }: Billing, payment: StripePaymentIntent, log: Log): Promise<void> {
  const { id, metadata, status, currency, amount_received } = payment
  const marked = metadata[TAGS.credits]
  if (marked === undefined || status !== 'succeeded') return
  const price = priceOfPack(Number(marked))
  if (
    metadata[TAGS.tenant] !== tenant ||
    price === undefined ||
    currency !== 'usd' ||
    amount_received < price
  ) {
    log.warn({ payment: id, credits: marked, amount_received, tenant }, 'a payment buys no credits')
    return
  }
  await grantCredits(db, {
    kind: 'prepaid',
    amount: Number(marked),
    source: `stripe:${id}`,
    reason: 'Bought',
  })
}
