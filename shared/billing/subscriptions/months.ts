/** The end of a month of a subscription: what it used is billed, and the next month begins, or it ends. */
import type { Billing } from '../billing.ts'
import { issueInvoice } from '../invoices/issue.ts'
import { baseLine, discountLines, usageLines, type ExactLine, type Usage } from '../invoices/lines.ts'
import { addMonths, monthOf, termOf, type Period } from '../invoices/months.ts'
import { baseFee, findPlan, TERMS, type BilledPlan } from '../plans.ts'
import { report, updateSubscription, type SubscriptionPatch, type SubscriptionRow } from './rows.ts'
import { after, type Change } from './states.ts'

/** The plan that a subscription has bought. */
export async function planOf(
  { db }: Pick<Billing, 'db'>,
  { plan, plan_version }: SubscriptionRow,
): Promise<BilledPlan> {
  const found = await findPlan(db, plan, plan_version)
  if (found === undefined) throw new Error(`Plan "${plan}" has no version ${plan_version}`)
  return found
}

/** The running term of a subscription, from when its base fee is paid until when. */
export function currentTerm({ anchor, term, term_month }: SubscriptionRow): Period {
  return { start: addMonths(anchor, term_month), end: addMonths(anchor, term_month + TERMS[term]) }
}

/** Begins the first month, and issues the invoice of its term. */
export async function beginMonths(
  billing: Billing,
  row: SubscriptionRow,
  anchor: Date,
): Promise<SubscriptionRow> {
  const first = monthOf(anchor, 0)
  const begun = await updateSubscription(billing, row, {
    anchor,
    month: 0,
    term_month: 0,
    period_start: first.start,
    period_end: first.end,
  })
  const plan = await planOf(billing, begun)
  const term = termOf(anchor, 0, TERMS[begun.term])
  await issueInvoice(billing, {
    subscription: begun,
    key: keyOf(first),
    plan,
    period: first,
    lines: [baseLine(plan, term, begun.base_cents)],
  })
  return begun
}

/** Ends the month that has run out, with its invoice: its usage, and the base fee where another term begins. */
export async function endMonth(billing: Billing, row: SubscriptionRow): Promise<SubscriptionRow> {
  const month = row.month + 1
  const endsTerm = month - row.term_month >= TERMS[row.term]
  if (endsTerm && row.cancels_at_end)
    return endSubscription(billing, row, row.period_end, 'period_ended_canceling')
  const usage = await usageOf(billing, row, { start: row.period_start, end: row.period_end })
  const period = monthOf(row.anchor, month)
  const next = { month, period_start: period.start, period_end: period.end }
  const patch = endsTerm ? { ...next, term_month: month, ...(await nextTerm(billing, row)) } : next
  const begun = await updateSubscription(billing, row, patch)
  const plan = await planOf(billing, begun)
  const base = endsTerm ? [baseLine(plan, currentTerm(begun), begun.base_cents)] : []
  const lines = [...base, ...usage]
  await issueInvoice(billing, { subscription: begun, key: keyOf(period), plan, period, lines })
  if (endsTerm && row.next_plan !== null) report(billing, 'subscriptionUpdated', begun)
  return begun
}

/** What a subscription that was to change at the end of its term changes to. */
async function nextTerm({ db }: Billing, row: SubscriptionRow): Promise<SubscriptionPatch> {
  const { next_plan, next_plan_version, next_term } = row
  if (next_plan === null || next_plan_version === null || next_term === null) return {}
  const plan = await findPlan(db, next_plan, next_plan_version)
  const base_cents = plan === undefined ? undefined : baseFee(plan, next_term)
  if (base_cents === undefined) throw new Error(`Plan "${next_plan}" has no version ${next_plan_version}`)
  return {
    plan: next_plan,
    plan_version: next_plan_version,
    term: next_term,
    base_cents,
    next_plan: null,
    next_plan_version: null,
    next_term: null,
  }
}

/** Ends a subscription: its last usage is billed, and the tenant is on the free plan from now on. */
export async function endSubscription(
  billing: Billing,
  row: SubscriptionRow,
  at: Date,
  why: Change,
): Promise<SubscriptionRow> {
  if (row.month >= 0 && row.period_start < at) {
    const period = { start: row.period_start, end: at < row.period_end ? at : row.period_end }
    const lines = await usageOf(billing, row, period)
    if (lines.length > 0)
      await issueInvoice(billing, {
        subscription: row,
        key: 'end',
        plan: await planOf(billing, row),
        period,
        lines,
      })
  }
  const status = after(after(row.status, why), 'canceled_at_once')
  const ended = await updateSubscription(billing, row, { status, ended_at: at, cancels_at_end: false })
  report(billing, 'subscriptionEnded', ended)
  return ended
}

/** The lines of what was used in `period`, and of what has become known since of the month before it. */
async function usageOf(billing: Billing, row: SubscriptionRow, period: Period): Promise<ExactLine[]> {
  if (billing.isDeleted || !(await paysForUsage(billing, row, period))) return []
  const plan = await planOf(billing, row)
  const used = usageLines(plan, period, await billing.usage(period))
  const lines = [...(await lateLines(billing, row)), ...used]
  return [...lines, ...discountLines(plan, period, lines)]
}

/** Whether the tenant has allowed use past what its plan includes at any time in `period`. */
async function paysForUsage({ db }: Billing, row: SubscriptionRow, { start }: Period): Promise<boolean> {
  const [tenant] = await db<{ overage_allowed: boolean }[]>`select overage_allowed from tenants`
  return tenant?.overage_allowed === true || (row.overage_until !== null && row.overage_until > start)
}

/** On which plan a month ended. */
interface BilledRow {
  plan: BilledPlan['id']
  plan_version: number
}

/** Usage of the month before that was recorded after its invoice: the difference that it makes to that invoice. */
async function lateLines(billing: Billing, row: SubscriptionRow): Promise<ExactLine[]> {
  if (row.month < 1) return []
  const { db } = billing
  const before = monthOf(row.anchor, row.month - 1)
  const billed = await db<{ meter: string; quantity: string }[]>`
    select l.meter, max(l.quantity)::text as quantity from invoice_lines l join invoices i on i.id = l.invoice_id
    where i.subscription_id = ${row.id} and l.kind = 'usage' and l.period_start = ${before.start} and i.status <> 'void'
    group by l.meter`
  const [last] = await db<BilledRow[]>`
    select plan, plan_version from invoices
    where subscription_id = ${row.id} and (key = ${keyOf(before)} or starts_with(key, 'change:'))
      and issued_at < ${before.end} order by issued_at desc, id desc limit 1`
  if (last === undefined) return []
  const plan = await findPlan(db, last.plan, last.plan_version)
  if (plan === undefined) return []
  const known = Object.fromEntries(billed.map(({ meter, quantity }) => [meter, quantity])) as Usage
  return usageLines(plan, before, await billing.usage(before), known)
}

function keyOf({ start }: Period): string {
  return `month:${start.toISOString()}`
}
