/** Changes of a subscription: first at the payment provider, where it collects the base fee, then here. */
import { beginBilling, considerBilling } from '../../../shared/billing/billing.ts'
import { changeAtProvider, setCancelingAtProvider } from '../../../shared/billing/stripe/requests.ts'
import {
  makeChange,
  planChange,
  setCanceling,
  type Changed,
  type Wanted,
} from '../../../shared/billing/subscriptions/change.ts'
import { applyPlan } from '../../../shared/billing/subscriptions/apply-plan.ts'
import {
  currentOf,
  liveSubscriptions,
  type SubscriptionRow,
} from '../../../shared/billing/subscriptions/rows.ts'
import type { Given } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'
import { recordAudit } from '../audit/record.ts'

type Changing = Given<'postgres' | 'events' | 'payments', 'caller' | 'writes'>

const PREVIEW_MS = 600_000

/** @throws Failure as `planChange`, TYPE_MISMATCH where `as_of` is no time of the last ten minutes */
export async function changeSubscription(
  wanted: Wanted & { as_of?: string | undefined },
  call: Changing,
): Promise<Changed> {
  const now = timeOf(wanted.as_of)
  const { payments, transact } = call
  const { hasProvider } = payments
  const planned = await transact('read', (inner) =>
    planChange(considerBilling(inner, { now, hasProvider }), wanted),
  )
  if ('row' in planned && planned.row.stripe_id !== null) {
    const { row } = planned
    await payments.ask((client) => changeAtProvider(client, planned, row, now))
  }
  return transact('write', async (inner) => {
    const billing = await beginBilling(inner, { now, hasProvider })
    const done = await alreadyThere(billing.db, planned)
    if (done !== undefined) return { subscription: done }
    // Again, since somebody else may have changed it meanwhile.
    const changed = await makeChange(billing, await planChange(billing, wanted))
    const { id, plan, plan_version, term } = changed.subscription
    recordAudit(inner, 'subscription.changed', id, {
      to: `${wanted.plan}@${planned.plan.version}`,
      term: wanted.term,
      holds: planned.kind,
      now: `${plan}@${plan_version}`,
      now_term: term,
    })
    return changed
  })
}

/** The subscription as it is to be, where an event of the provider was faster. */
async function alreadyThere(
  db: Parameters<typeof liveSubscriptions>[0],
  planned: Awaited<ReturnType<typeof planChange>>,
): Promise<SubscriptionRow | undefined> {
  if (planned.kind !== 'upgrade' || planned.row.stripe_id === null) return undefined
  const row = currentOf(await liveSubscriptions(db), new Date())
  const { plan, row: before } = planned
  const isThere = row?.id === before.id && row.plan === plan.id && row.plan_version === plan.version
  return isThere && row.changes > before.changes ? row : undefined
}

function timeOf(asOf: string | undefined): Date {
  const now = new Date()
  if (asOf === undefined) return now
  const at = new Date(asOf)
  if (at <= now && now.getTime() - at.getTime() <= PREVIEW_MS) return at
  throw new Failure(
    'TYPE_MISMATCH',
    `Cannot change your plan as of "${asOf}": it is not within the last ten minutes`,
    {
      suggestion: 'Preview the change again',
    },
  )
}

/** @throws Failure STATE_CONFLICT where it is so already */
export async function setSubscriptionCanceling(cancels: boolean, call: Changing): Promise<SubscriptionRow> {
  const { payments, transact } = call
  const row = await transact('read', async ({ db }) => currentOf(await liveSubscriptions(db), new Date()))
  const atProvider = row?.cancels_at_end === cancels ? null : row?.stripe_id
  if (atProvider != null) await payments.ask((client) => setCancelingAtProvider(client, atProvider, cancels))
  return transact('write', async (inner) => {
    const billing = await beginBilling(inner, payments)
    const changed = await setCanceling(billing, cancels)
    await applyPlan(billing)
    recordAudit(inner, cancels ? 'subscription.canceled' : 'subscription.resumed', changed.id, {
      ends_at: changed.period_end.toISOString(),
    })
    return changed
  })
}
