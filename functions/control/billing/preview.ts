/** What a change of plan would come to, computed as it would be made. */
import { z } from 'zod'
import { considerBilling } from '../../../shared/billing/billing.ts'
import { baseLine, sumOf, toLines, type ExactLine } from '../../../shared/billing/invoices/lines.ts'
import { termOf } from '../../../shared/billing/invoices/months.ts'
import { TERMS } from '../../../shared/billing/plans.ts'
import { planChange, type Planned, type Wanted } from '../../../shared/billing/subscriptions/change.ts'
import type { Call } from '../../../shared/contract/call.ts'
import { TIERS } from '../../../shared/plans/tiers.ts'
import { describePlannedLine, InvoiceLine, TermName } from './schema.ts'

export const Preview = z.strictObject({
  plan: z.enum(TIERS),
  plan_version: z.int(),
  term: TermName,
  kind: z
    .enum(['trial', 'start', 'upgrade', 'at_end'])
    .describe('Whether it would begin with a trial, begin, change at once, or change at the end of the term'),
  as_of: z.iso.datetime().describe('For which it was computed; send it with the change'),
  holds_from: z.iso.datetime(),
  invoice: z
    .strictObject({
      issued_at: z.iso.datetime(),
      lines: z.array(InvoiceLine),
      total_cents: z.int().describe('Without taxes; what is below 0 is given as credits'),
    })
    .describe('The invoice that it would bring. The usage of the month that ends then is not in it'),
  base_cents: z.int().describe('Base fee of each term after that'),
})

export async function previewChange(
  wanted: Wanted,
  { db, identity, payments }: Pick<Call, 'db' | 'identity' | 'payments'>,
): Promise<z.infer<typeof Preview>> {
  const now = new Date()
  const billing = considerBilling({ db, identity }, { now, hasProvider: payments.hasProvider })
  const planned = await planChange(billing, wanted, 'checkout')
  const { at, exact } = invoiceOf(planned, now)
  const lines = toLines(exact)
  return {
    plan: planned.plan.id,
    plan_version: planned.plan.version,
    term: planned.term,
    kind: planned.kind,
    as_of: now.toISOString(),
    holds_from: (planned.kind === 'at_end' ? planned.at : now).toISOString(),
    invoice: {
      issued_at: at.toISOString(),
      lines: lines.map(describePlannedLine),
      total_cents: Number(sumOf(lines)),
    },
    base_cents: planned.cents,
  }
}

/** When the next invoice comes, and what is in it. */
function invoiceOf(planned: Planned, now: Date): { at: Date; exact: readonly ExactLine[] } {
  const first = (at: Date) => {
    const { plan, term, cents } = planned
    return { at, exact: [baseLine(plan, termOf(at, 0, TERMS[term]), cents)] }
  }
  if (planned.kind === 'trial') return first(planned.trialEnd)
  if (planned.kind === 'at_end') return first(planned.at)
  if (planned.kind === 'upgrade' && planned.row.month < 0) return first(planned.period.start)
  return { at: now, exact: planned.lines }
}
