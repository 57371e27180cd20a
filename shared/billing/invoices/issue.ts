/**
 * Issues invoices: computed, paid with credits as far as these go, numbered and fixed, in the transaction of what they are for. A
 * subscription has one invoice of each key, however often it is tried.
 */
import { BILLING_EVENTS } from '../../events/billing-events.ts'
import { newId } from '../../new-id.ts'
import type { Billing } from '../billing.ts'
import { MAX_CREDITS } from '../ledger/credits.ts'
import { grantCredits, refundCredits, spendCredits } from '../ledger/ledger.ts'
import { floor, fractionOf } from '../fraction.ts'
import type { BilledPlan } from '../plans.ts'
import type { SubscriptionRow } from '../subscriptions/rows.ts'
import { addDays, PAYMENT_DAYS } from '../subscriptions/states.ts'
import { creditLine, sumOf, toLines, usageCents, type ExactLine, type Line } from './lines.ts'
import type { Period } from './months.ts'
import { numberOf, readInvoice, type InvoiceRow } from './rows.ts'

export interface NewInvoice {
  subscription: SubscriptionRow
  /** By which the subscription knows it. */
  key: string
  plan: BilledPlan
  period: Period
  lines: readonly ExactLine[]
}

/** Issues an invoice; answers the one that there is already where it was issued before. */
export async function issueInvoice(billing: Billing, wanted: NewInvoice): Promise<InvoiceRow> {
  const { db } = billing
  const { subscription, key } = wanted
  const [before] = await db<InvoiceRow[]>`
    select * from invoices where subscription_id = ${subscription.id} and key = ${key}`
  if (before !== undefined) return readInvoice(before)
  const lines = await withCredits(billing, wanted)
  const id = await insertDraft(billing, wanted, lines)
  return finalize(billing, id)
}

/** The lines in whole cents, with what credits pay of them. */
async function withCredits(billing: Billing, wanted: NewInvoice): Promise<Line[]> {
  const { plan, period } = wanted
  const lines = toLines(wanted.lines)
  const spent = await spend(billing, sourceOf(wanted), usageCents(lines))
  const paid = spent === 0n ? lines : [...lines, creditLine(plan, period, spent)]
  const total = sumOf(paid)
  if (total >= 0n) return paid
  // More is given back than is to be paid, which only a change of plan can come to.
  await grantCredits(billing.db, {
    kind: 'compensation',
    amount: Number(-total),
    source: `${sourceOf(wanted)}:given`,
  })
  return [...paid, { ...creditLine(plan, period, total), description: 'Given back as credits' }]
}

/** Spends credits in whole cents; a part of a cent is left where it was. */
async function spend({ db }: Billing, source: string, upTo: bigint): Promise<bigint> {
  if (upTo === 0n) return 0n
  const { spent } = await spendCredits(db, { upTo: Number(upTo < MOST ? upTo : MOST), source })
  const exact = fractionOf(String(spent))
  const whole = floor(exact)
  const rest = (exact.numerator - whole * exact.denominator) * (MICRO / exact.denominator)
  if (rest > 0n)
    await refundCredits(db, { source, amount: Number(rest) / Number(MICRO), refund: `${source}:part` })
  return whole
}

const MICRO = 1_000_000n
/** What the ledger books at once. */
const MOST = BigInt(MAX_CREDITS)

/** By which the ledger knows what an invoice takes. */
function sourceOf({ subscription, key }: Pick<NewInvoice, 'subscription' | 'key'>): string {
  return `invoice:${subscription.id}:${key}`
}

/** Gives back the credits that an invoice has taken. */
export async function restoreCredits(
  { db }: Billing,
  { subscription_id, key }: Pick<InvoiceRow, 'subscription_id' | 'key'>,
  cents: number,
): Promise<void> {
  const source = sourceOf({ subscription: { id: subscription_id } as SubscriptionRow, key })
  await refundCredits(db, { source, amount: cents })
}

async function insertDraft(
  { db, tenant, now }: Billing,
  { subscription, key, plan, period, lines: _exact }: NewInvoice,
  lines: readonly Line[],
): Promise<string> {
  const id = newId()
  const base = sumOf(lines.filter(({ kind }) => kind === 'base'))
  const { stripe_id } = subscription
  await db`
    insert into invoices (id, tenant_id, subscription_id, key, total_cents, period_start, period_end, plan, plan_version,
      bill_to, stripe_subscription, base_cents, issued_at, due_at)
    select ${id}, ${tenant}, ${subscription.id}, ${key}, ${String(sumOf(lines))}, ${period.start}, ${period.end}, ${plan.id},
      ${plan.version}, name, ${stripe_id}, ${String(base)}, ${now}, ${addDays(now, PAYMENT_DAYS)}
    from tenants`
  for (const [at, line] of lines.entries()) {
    const { usage } = line
    db.send(db`
      insert into invoice_lines (invoice_id, tenant_id, position, kind, description, period_start, period_end, plan,
        plan_version, meter, quantity, included, price_cents, price_per, cents)
      values (${id}, ${tenant}, ${at + 1}, ${line.kind}, ${line.description}, ${line.period.start}, ${line.period.end},
        ${line.plan}, ${line.planVersion}, ${usage?.meter ?? null}, ${usage?.quantity ?? null}, ${usage?.included ?? null},
        ${usage?.price ?? null}, ${usage?.per ?? null}, ${String(line.cents)})`)
  }
  return id
}

/** Gives the invoice its number; from here on it is not changed. */
async function finalize({ db, emit, now }: Billing, id: string): Promise<InvoiceRow> {
  const [finalized] = await db<InvoiceRow[]>`
    update invoices set status = 'finalized', finalized_at = ${now} where id = ${id} returning *`
  if (finalized === undefined) throw new Error('A draft is gone')
  const row = readInvoice(finalized)
  emit(BILLING_EVENTS.invoiceFinalized, {
    invoice: id,
    number: numberOf(row),
    total_cents: row.total_cents,
    due_at: row.due_at.toISOString(),
  })
  if (row.total_cents > 0) return row
  const [paid] = await db<InvoiceRow[]>`
    update invoices set status = 'paid', paid_at = ${now} where id = ${id} returning *`
  return paid === undefined ? row : readInvoice(paid)
}
