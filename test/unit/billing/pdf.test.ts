import { expect, test } from 'vitest'
import { dollars } from '../../../functions/control/invoices/dollars.ts'
import type { FullInvoice } from '../../../functions/control/invoices/full.ts'
import { renderInvoice } from '../../../functions/control/invoices/pdf.ts'

const TIME = '2026-02-28T00:00:00.000Z'
const LINE: FullInvoice['lines'][number] = {
  kind: 'usage',
  description: 'Tokens beyond the plan',
  period_start: TIME,
  period_end: TIME,
  plan: 'pro',
  plan_version: 1,
  usage: { meter: 'tokens', quantity: '600000', included: '500000', price_cents: '1', per: 1000 },
  cents: 100,
}

function invoiceOf(lines: number, bill_to = 'Acme'): FullInvoice {
  return {
    id: '019a0000-0000-7000-8000-000000000000',
    number: 'KG-1-0001',
    subscription: '019a0000-0000-7000-8000-000000000001',
    status: 'finalized',
    currency: 'usd',
    total_cents: lines * 100,
    paid_cents: 0,
    credited_cents: 0,
    open_cents: lines * 100,
    period_start: TIME,
    period_end: TIME,
    issued_at: TIME,
    due_at: TIME,
    paid_at: null,
    voided_at: null,
    stripe_invoice: null,
    bill_to,
    lines: Array.from({ length: lines }, () => LINE),
    payments: [],
    credit_notes: [],
  }
}

const pagesOf = (pdf: Buffer) => pdf.toString('latin1').match(/\/Type \/Page\b(?!s)/g)?.length

test('renderInvoice() has as many pages as its lines take, and is the same each time', async () => {
  const [short, long] = [invoiceOf(1), invoiceOf(60)]
  const pdf = await renderInvoice({ invoice: short })
  expect(pagesOf(pdf)).toBe(1)
  expect(pagesOf(await renderInvoice({ invoice: long }))).toBe(4)
  expect((await renderInvoice({ invoice: short })).equals(pdf)).toBe(true)
})

test('renderInvoice() keeps a name as it is in the properties, whatever its font can show', async () => {
  const name = 'Завод 会社'
  const pdf = await renderInvoice({ invoice: invoiceOf(1, name) })
  const utf16 = Buffer.from(name, 'utf16le').swap16().toString('latin1')
  expect(pdf.toString('latin1')).toContain(utf16)
})

test.for([
  [0, '$0.00'],
  [5, '$0.05'],
  [-123_456, '-$1,234.56'],
  [100_000_000_000, '$1,000,000,000.00'],
] as const)('dollars() writes %i cents as %s', ([cents, text]) => {
  expect(dollars(cents)).toBe(text)
})
