/**
 * Has the payment provider collect what its subscription does not: usage, and the rest of a term after a change. Safe to run again: the
 * provider knows each request by a key of ours, and what was begun is gone on with.
 */
import type Stripe from 'stripe'
import type { Given } from '../../contract/call.ts'
import { invoiceById, numberOf, openCents, type InvoiceRow } from '../invoices/rows.ts'
import { TAGS } from './objects.ts'

type Collecting = Given<'postgres' | 'payments', 'caller'>

/** Does nothing where there is nothing to collect, nobody to collect it from, or no provider. */
export async function collectInvoice(id: string, call: Collecting): Promise<void> {
  const { payments, transact } = call
  if (!payments.hasProvider) return
  const { invoice, customer } = await transact('read', async ({ db }) => {
    const [row] = await db<{ id: string }[]>`select id from stripe_customers where deleted_at is null`
    return { invoice: await invoiceById(db, id), customer: row?.id }
  })
  if (invoice === undefined || customer === undefined) return
  const cents = centsToCollect(invoice)
  if (cents === 0) return
  await payments.ask((client) => collect(client, customer, invoice, cents, call))
}

async function collect(
  client: Stripe,
  customer: string,
  invoice: InvoiceRow,
  cents: number,
  { payments, transact }: Collecting,
): Promise<void> {
  const { id, stripe_invoice: known } = invoice
  const made =
    known === null
      ? await beginInvoice(client, customer, invoice, payments.automaticTax)
      : await client.invoices.retrieve(known)
  if (made.status !== 'draft') return
  await transact(
    'write',
    ({ db }) =>
      db`update invoices set stripe_invoice = ${made.id} where id = ${id} and stripe_invoice is null`,
  )
  if (made.total === 0) {
    const item = { currency: 'usd', amount: cents, description: `Invoice ${numberOf(invoice)}` }
    await client.invoiceItems.create(
      { customer, invoice: made.id, ...item },
      { idempotencyKey: `${id}:item` },
    )
  }
  await client.invoices.finalizeInvoice(made.id, { auto_advance: true }, { idempotencyKey: `${id}:finalize` })
}

/** An empty draft. One that is left over, where a process died after this, charges nothing. */
function beginInvoice(
  client: Stripe,
  customer: string,
  { id, tenant_id }: InvoiceRow,
  automaticTax: boolean,
) {
  return client.invoices.create(
    {
      customer,
      currency: 'usd',
      auto_advance: false,
      collection_method: 'charge_automatically',
      pending_invoice_items_behavior: 'exclude',
      automatic_tax: { enabled: automaticTax },
      metadata: { [TAGS.tenant]: tenant_id, [TAGS.invoice]: id },
    },
    { idempotencyKey: `${id}:invoice` },
  )
}

/** What is open of an invoice besides the base fee that the provider's subscription pays. */
function centsToCollect(invoice: InvoiceRow): number {
  const elsewhere =
    invoice.stripe_subscription === null ? 0 : Math.max(0, invoice.base_cents - invoice.paid_cents)
  return Math.max(0, openCents(invoice) - elsewhere)
}
