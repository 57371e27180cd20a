/** One invoice with all that belongs to it. */
import { z } from 'zod'
import { invoiceById, linesOf, numberOf, type InvoiceRow } from '../../../shared/billing/invoices/rows.ts'
import type { Call } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'
import { describeInvoice, describeLine, Invoice, InvoiceLine } from '../billing/schema.ts'

const Cents = z.int()

export const FullInvoice = Invoice.extend({
  bill_to: z.string(),
  lines: z.array(InvoiceLine),
  payments: z.array(
    z.strictObject({
      cents: Cents,
      method: z.enum(['stripe', 'bank_transfer']),
      reference: z.string(),
      received_at: z.string(),
    }),
  ),
  credit_notes: z.array(
    z.strictObject({ number: z.string(), cents: Cents, reason: z.string(), created_at: z.string() }),
  ),
})
export type FullInvoice = z.infer<typeof FullInvoice>

/** @throws Failure NOT_FOUND */
export async function readFullInvoice(
  id: string,
  { db }: Pick<Call, 'db'>,
): Promise<{ row: InvoiceRow; invoice: FullInvoice }> {
  const row = await invoiceById(db, id)
  if (row === undefined || row.status === 'draft') {
    throw new Failure('NOT_FOUND', `Cannot find invoice "${id}"`, {
      suggestion: 'GET /v1/billing/invoices lists yours',
    })
  }
  const payments = await db<
    { cents: string; method: 'stripe' | 'bank_transfer'; reference: string; received_at: Date }[]
  >`
    select cents, method, reference, received_at from payments where invoice_id = ${id} order by received_at, id`
  const notes = await db<{ seq: number; cents: string; reason: string; created_at: Date }[]>`
    select seq, cents, reason, created_at from credit_notes where invoice_id = ${id} order by seq`
  const invoice: FullInvoice = {
    ...describeInvoice(row),
    bill_to: row.bill_to,
    lines: (await linesOf(db, id)).map(describeLine),
    payments: payments.map((each) => ({
      ...each,
      cents: Number(each.cents),
      received_at: each.received_at.toISOString(),
    })),
    credit_notes: notes.map(({ seq, cents, reason, created_at }) => ({
      number: `${numberOf(row)}-C${seq}`,
      cents: Number(cents),
      reason,
      created_at: created_at.toISOString(),
    })),
  }
  return { row, invoice }
}
