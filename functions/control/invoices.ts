/** The tenant's invoices, each with its lines, as JSON and as a document. */
import { z } from 'zod'
import { readInvoice, type InvoiceRow } from '../../shared/billing/invoices/rows.ts'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NextCursor, orderBy, type Bounds } from '../../shared/contract/pages.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { describeInvoice, Invoice } from './billing/schema.ts'
import { FullInvoice, readFullInvoice } from './invoices/full.ts'

const BY_TIME = orderBy({ issued_at: 'timestamptz', id: 'uuid' }, 'desc')
const InvoiceId = z.strictObject({ id: z.uuid() })
const READING = { permission: 'billing:read', scopes: ['invoice:read'], needs: ['postgres'] } as const

export const invoices = defineOperation({
  name: 'invoices',
  summary: "The tenant's invoices",
  database: 'central',
  routes: {
    list: route({
      ...READING,
      route: 'GET /v1/billing/invoices',
      summary: 'Your invoices, the newest first',
      input: z.strictObject({ limit: wholeNumber(1, 100).default(20), cursor: BY_TIME.Cursor.optional() }),
      output: z.strictObject({ invoices: z.array(Invoice), next_cursor: NextCursor }),
      handle: (bounds, call) => list(bounds, call),
    }),

    get: route({
      ...READING,
      route: 'GET /v1/billing/invoices/:id',
      summary: 'One invoice with its lines, payments and credit notes',
      input: InvoiceId,
      output: z.strictObject({ invoice: FullInvoice }),
      handle: async ({ id }, call) => ({ invoice: (await readFullInvoice(id, call)).invoice }),
    }),

    pdf: route({
      ...READING,
      route: 'GET /v1/billing/invoices/:id/pdf',
      summary: 'One invoice, to print',
      input: InvoiceId,
      output: z.string().describe('A PDF'),
      format: 'pdf',
      async handle({ id }, call) {
        const full = await readFullInvoice(id, call)
        // Loaded when it is used: it brings fonts.
        const { renderInvoice } = await import('./invoices/pdf.ts')
        return (await renderInvoice(full)).toString('latin1')
      },
    }),
  },
})

async function list(bounds: Bounds, { db }: Pick<Call, 'db'>) {
  const rows = db<InvoiceRow[]>`select * from invoices where status <> 'draft'`
  const { page, next_cursor } = await BY_TIME.readPage(db, rows, bounds)
  return { invoices: page.map((row) => describeInvoice(readInvoice(row))), next_cursor }
}
