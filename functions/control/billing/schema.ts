/** Subscriptions and invoices as they are answered. */
import { z } from 'zod'
import { LINE_KINDS, type Line } from '../../../shared/billing/invoices/lines.ts'
import {
  INVOICE_STATUSES,
  numberOf,
  openCents,
  type InvoiceRow,
  type LineRow,
} from '../../../shared/billing/invoices/rows.ts'
import { TERMS, type Term } from '../../../shared/billing/plans.ts'
import { currentTerm } from '../../../shared/billing/subscriptions/months.ts'
import type { SubscriptionRow } from '../../../shared/billing/subscriptions/rows.ts'
import { STATUSES } from '../../../shared/billing/subscriptions/states.ts'
import { TIERS } from '../../../shared/plans/tiers.ts'

const Cents = z.int().describe('Cents of US dollars')
const Time = z.iso.datetime()

export const TermName = z
  .enum(Object.keys(TERMS) as [Term, ...Term[]])
  .describe('How long the base fee is paid in advance')

export const Subscription = z.strictObject({
  id: z.uuid(),
  plan: z.enum(TIERS),
  plan_version: z.int(),
  term: TermName,
  status: z.enum(STATUSES),
  base_cents: Cents.describe('Base fee of a term, in cents of US dollars'),
  paid_by: z.enum(['card', 'bank_transfer']),
  period_start: Time,
  period_end: Time,
  term_end: Time.describe('Until when the base fee is paid; changes and cancellations hold from then on'),
  trial_end: Time.nullable(),
  cancels_at_end: z.boolean(),
  next: z
    .strictObject({ plan: z.enum(TIERS), plan_version: z.int(), term: TermName })
    .nullable()
    .describe('What it changes to at the end of its term'),
})

export function describeSubscription(row: SubscriptionRow): z.infer<typeof Subscription> {
  const { next_plan, next_plan_version, next_term } = row
  const hasNext = next_plan !== null && next_plan_version !== null && next_term !== null
  return {
    id: row.id,
    plan: row.plan,
    plan_version: row.plan_version,
    term: row.term,
    status: row.status,
    base_cents: row.base_cents,
    paid_by: row.stripe_id === null ? 'bank_transfer' : 'card',
    period_start: row.period_start.toISOString(),
    period_end: row.period_end.toISOString(),
    term_end: (row.month < 0 ? row.period_end : currentTerm(row).end).toISOString(),
    trial_end: row.trial_end?.toISOString() ?? null,
    cancels_at_end: row.cancels_at_end,
    next: hasNext ? { plan: next_plan, plan_version: next_plan_version, term: next_term } : null,
  }
}

export const InvoiceLine = z.strictObject({
  kind: z.enum(LINE_KINDS),
  description: z.string(),
  period_start: Time,
  period_end: Time,
  plan: z.string(),
  plan_version: z.int(),
  usage: z
    .strictObject({
      meter: z.string(),
      quantity: z.string().describe('All that was used in the period, as a decimal'),
      included: z.string().describe('What of it the plan includes'),
      price_cents: z.string().describe('What `per` more cost'),
      per: z.int(),
    })
    .optional(),
  cents: Cents,
})

export const Invoice = z.strictObject({
  id: z.uuid(),
  number: z.string().describe('Counted for each tenant, without gaps'),
  subscription: z.uuid(),
  status: z.enum(INVOICE_STATUSES),
  currency: z.literal('usd'),
  total_cents: Cents,
  paid_cents: Cents,
  credited_cents: Cents.describe('Taken off by credit notes'),
  open_cents: Cents.describe('Still to be paid'),
  period_start: Time,
  period_end: Time,
  issued_at: Time,
  due_at: Time,
  paid_at: Time.nullable(),
  voided_at: Time.nullable(),
  stripe_invoice: z
    .string()
    .nullable()
    .describe('The invoice of the payment provider by which it is collected'),
})

export function describeInvoice(row: InvoiceRow): z.infer<typeof Invoice> {
  return {
    id: row.id,
    number: numberOf(row),
    subscription: row.subscription_id,
    status: row.status,
    currency: 'usd',
    total_cents: row.total_cents,
    paid_cents: row.paid_cents,
    credited_cents: row.credited_cents,
    open_cents: openCents(row),
    period_start: row.period_start.toISOString(),
    period_end: row.period_end.toISOString(),
    issued_at: row.issued_at.toISOString(),
    due_at: row.due_at.toISOString(),
    paid_at: row.paid_at?.toISOString() ?? null,
    voided_at: row.voided_at?.toISOString() ?? null,
    stripe_invoice: row.stripe_invoice,
  }
}

export function describeLine(row: LineRow): z.infer<typeof InvoiceLine> {
  const { meter, quantity, included, price_cents, price_per } = row
  const isUsage =
    meter !== null && quantity !== null && included !== null && price_cents !== null && price_per !== null
  return {
    kind: row.kind,
    description: row.description,
    period_start: row.period_start.toISOString(),
    period_end: row.period_end.toISOString(),
    plan: row.plan,
    plan_version: row.plan_version,
    ...(isUsage ? { usage: { meter, quantity, included, price_cents, per: price_per } } : {}),
    cents: row.cents,
  }
}

/** A line that was computed and not written. */
export function describePlannedLine(line: Line): z.infer<typeof InvoiceLine> {
  return {
    kind: line.kind,
    description: line.description,
    period_start: line.period.start.toISOString(),
    period_end: line.period.end.toISOString(),
    plan: line.plan,
    plan_version: line.planVersion,
    cents: Number(line.cents),
  }
}
