/** Invoices with their lines, as rows. */
import type { Db } from '../../database/database.ts'
import type { LineKind } from './lines.ts'

export const INVOICE_STATUSES = ['draft', 'finalized', 'paid', 'failed', 'void'] as const
export type InvoiceStatus = (typeof INVOICE_STATUSES)[number]

export interface InvoiceRow {
  id: string
  tenant_id: string
  subscription_id: string
  key: string
  status: InvoiceStatus
  seq: string | null
  total_cents: number
  paid_cents: number
  credited_cents: number
  period_start: Date
  period_end: Date
  plan: string
  plan_version: number
  bill_to: string
  stripe_subscription: string | null
  base_cents: number
  stripe_invoice: string | null
  issued_at: Date
  due_at: Date
  finalized_at: Date | null
  paid_at: Date | null
  voided_at: Date | null
  void_reason: string | null
}

export interface LineRow {
  position: number
  kind: LineKind
  description: string
  period_start: Date
  period_end: Date
  plan: string
  plan_version: number
  meter: string | null
  quantity: string | null
  included: string | null
  price_cents: string | null
  price_per: number | null
  cents: number
}

export async function invoiceById(db: Db, id: string): Promise<InvoiceRow | undefined> {
  const [row] = await db<InvoiceRow[]>`select * from invoices where id = ${id}`
  return row === undefined ? undefined : readInvoice(row)
}

export async function linesOf(db: Db, invoice: string): Promise<LineRow[]> {
  const rows = await db<(Omit<LineRow, 'cents'> & { cents: string })[]>`
    select position, kind, description, period_start, period_end, plan, plan_version, meter, quantity::text, included::text,
      price_cents::text, price_per, cents
    from invoice_lines where invoice_id = ${invoice} order by position`
  return rows.map((row) => ({ ...row, cents: Number(row.cents) }))
}

type CentsOf = 'total_cents' | 'paid_cents' | 'credited_cents' | 'base_cents'
type StoredInvoice = Omit<InvoiceRow, CentsOf> & Record<CentsOf, string>

/** The driver gives whole numbers of 64 bits as texts; the bounds of the columns are those of exact numbers. */
export function readInvoice(row: InvoiceRow | StoredInvoice): InvoiceRow {
  return {
    ...row,
    total_cents: Number(row.total_cents),
    paid_cents: Number(row.paid_cents),
    credited_cents: Number(row.credited_cents),
    base_cents: Number(row.base_cents),
  }
}

/** What is still to be paid of an invoice. */
export function openCents({ status, total_cents, paid_cents, credited_cents }: InvoiceRow): number {
  if (status !== 'finalized' && status !== 'failed') return 0
  return Math.max(0, total_cents - paid_cents - credited_cents)
}

/** The number of an invoice: its tenant, and its place among the invoices of that. Drafts have none. */
export function numberOf({ tenant_id, seq }: Pick<InvoiceRow, 'tenant_id' | 'seq'>): string {
  // The end of the id: its beginning is the time, and many tenants may have that.
  return `KG-${tenant_id.slice(-12).toUpperCase()}-${(seq ?? 'DRAFT').padStart(4, '0')}`
}
