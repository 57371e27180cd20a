/** Invoices of tenants, for the operators of the platform: what each owes, and what is done about it by hand. */
import { z } from 'zod'
import { readInvoice, type InvoiceRow } from '../../shared/billing/invoices/rows.ts'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NextCursor, orderBy, type Bounds } from '../../shared/contract/pages.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { Failure } from '../../shared/failures.ts'
import { newId } from '../../shared/new-id.ts'
import { actorFacts, type Audited } from './audit/record.ts'
import { describeInvoice, Invoice } from './billing/schema.ts'
import { operate } from './tenants/operate.ts'

const BY_TIME = orderBy({ issued_at: 'timestamptz', id: 'uuid' }, 'desc')
const Place = z.strictObject({ id: z.uuid().describe('The tenant'), invoice: z.uuid() })
const InvoiceAnswer = z.strictObject({ invoice: Invoice })
const Reason = z.string().trim().min(1).max(500)
/** A billion dollars: no invoice is larger. */
const MAX_CENTS = 100_000_000_000

const WRITING = {
  permission: 'platform:operate',
  scopes: ['platform_invoice:write'],
  needs: ['postgres'],
  output: InvoiceAnswer,
  writes: true,
} as const
const SOME_PLACE = {
  id: '019a0000-0000-7000-8000-000000000000',
  invoice: '019a0000-0000-7000-8000-000000000001',
}

export const invoicesForOperators = defineOperation({
  name: 'invoices-for-operators',
  summary: 'Invoices of tenants, for operators of the platform',
  database: 'central',
  routes: {
    list: route({
      route: 'GET /v1/operator/tenants/:id/invoices',
      summary: 'Invoices of a tenant, the newest first',
      permission: 'platform:operate',
      scopes: ['platform_invoice:read'],
      needs: ['postgres'],
      input: z.strictObject({
        id: z.uuid().describe('The tenant'),
        limit: wholeNumber(1, 100).default(20),
        cursor: BY_TIME.Cursor.optional(),
      }),
      output: z.strictObject({ invoices: z.array(Invoice), next_cursor: NextCursor }),
      handle: ({ id, ...bounds }, call) => list(id, bounds, call),
    }),

    void: route({
      ...WRITING,
      route: 'POST /v1/operator/tenants/:id/invoices/:invoice/void',
      summary: 'Make an invoice void of which nothing was paid; the credits that it took come back',
      input: Place.extend({ reason: Reason }),
      examples: [{ summary: 'A mistake', input: { ...SOME_PLACE, reason: 'Billed twice by hand' } }],
      handle: (wanted, call) =>
        act(
          wanted,
          call,
          ({ db }, person, facts) => db`
          select void_invoice_for_operator(${person}, ${facts}, ${wanted.id}, ${wanted.invoice}, ${wanted.reason}) as done`,
          'it is not open, or something of it is paid or credited already',
        ),
    }),

    credit: route({
      ...WRITING,
      route: 'POST /v1/operator/tenants/:id/invoices/:invoice/credit-notes',
      summary: 'Take an amount off an invoice; what was paid of it already is given back as credits',
      input: Place.extend({ cents: z.int().min(1).max(MAX_CENTS), reason: Reason }),
      examples: [
        {
          summary: 'The agreed availability was missed',
          input: { ...SOME_PLACE, cents: 1490, reason: 'SLA, 10 %' },
        },
      ],
      handle: (wanted, call) =>
        act(
          wanted,
          call,
          ({ db }, person, facts) => db`
          select credit_invoice_for_operator(${person}, ${facts}, ${wanted.id}, ${wanted.invoice}, ${newId()}, ${wanted.cents},
            ${wanted.reason}) as done`,
          'it is void, or less than that is left of it',
        ),
    }),

    pay: route({
      ...WRITING,
      route: 'POST /v1/operator/tenants/:id/invoices/:invoice/pay',
      summary: 'Note that an invoice was paid in full by bank transfer',
      input: Place.extend({ reference: z.string().trim().min(1).max(500).describe('What the bank says') }),
      examples: [{ summary: 'A transfer', input: { ...SOME_PLACE, reference: 'Transfer of 2 November' } }],
      handle: (wanted, call) =>
        act(
          wanted,
          call,
          ({ db }, person, facts) => db`
          select pay_invoice_for_operator(${person}, ${facts}, ${wanted.id}, ${wanted.invoice}, ${newId()}, ${wanted.reference}) as done`,
          'nothing of it is open',
        ),
    }),
  },
})

async function list(tenant: string, bounds: Bounds, { db, identity }: Pick<Call, 'db' | 'identity'>) {
  const rows = db<InvoiceRow[]>`
    select * from invoices_for_operator(${identity.user}, ${tenant}) where status <> 'draft'`
  const { page, next_cursor } = await operate(BY_TIME.readPage(db, rows, bounds))
  return { invoices: page.map((row) => describeInvoice(readInvoice(row))), next_cursor }
}

type Statement = (
  call: Pick<Call, 'db'>,
  person: string,
  facts: ReturnType<Call['db']['json']>,
) => PromiseLike<readonly { done?: boolean }[]>

/** @throws Failure NOT_FOUND, STATE_CONFLICT where the database does not do it */
async function act(
  { id, invoice }: z.infer<typeof Place>,
  call: Audited,
  statement: Statement,
  why: string,
): Promise<z.infer<typeof InvoiceAnswer>> {
  const { number } = await find(id, invoice, call)
  const [answer] = await operate(statement(call, call.identity.user, call.db.json(actorFacts(call))))
  if (answer?.done !== true)
    throw new Failure('STATE_CONFLICT', `Cannot do this to invoice "${number}": ${why}`)
  return { invoice: await find(id, invoice, call) }
}

async function find(
  tenant: string,
  invoice: string,
  { db, identity }: Pick<Call, 'db' | 'identity'>,
): Promise<z.infer<typeof Invoice>> {
  const [row] = await operate(db<InvoiceRow[]>`
    select * from invoices_for_operator(${identity.user}, ${tenant}) where id = ${invoice} and status <> 'draft'`)
  if (row !== undefined) return describeInvoice(readInvoice(row))
  throw new Failure('NOT_FOUND', `Cannot find invoice "${invoice}"`, {
    suggestion: 'GET /v1/operator/tenants/:id/invoices lists them',
  })
}
