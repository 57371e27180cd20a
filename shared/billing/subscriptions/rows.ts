/** Subscriptions to plans, as rows. */
import type { Db } from '../../database/database.ts'
import { BILLING_EVENTS } from '../../events/billing-events.ts'
import type { Tier } from '../../plans/tiers.ts'
import type { Billing } from '../billing.ts'
import { isLarger, type Term } from '../plans.ts'
import { entitles, type Status } from './states.ts'

export interface SubscriptionRow {
  id: string
  plan: Tier
  plan_version: number
  term: Term
  base_cents: number
  status: Status
  anchor: Date
  /** The month that runs, from 0 on; -1 before the first. */
  month: number
  period_start: Date
  period_end: Date
  term_month: number
  trial_end: Date | null
  trial_noticed_at: Date | null
  cancels_at_end: boolean
  next_plan: Tier | null
  next_plan_version: number | null
  next_term: Term | null
  changes: number
  past_due_since: Date | null
  lapsed_at: Date | null
  overage_until: Date | null
  ended_at: Date | null
  stripe_id: string | null
  created_at: Date
}

/** What may change of a subscription. */
export type SubscriptionPatch = Partial<Omit<SubscriptionRow, 'id' | 'stripe_id' | 'created_at'>>

/** All subscriptions of the tenant that have not ended. */
export async function liveSubscriptions(db: Db): Promise<SubscriptionRow[]> {
  const rows = await db<
    SubscriptionRow[]
  >`select * from plan_subscriptions where ended_at is null order by id`
  return rows.map(read)
}

export async function subscriptionById(db: Db, id: string): Promise<SubscriptionRow | undefined> {
  const [row] = await db<SubscriptionRow[]>`select * from plan_subscriptions where id = ${id}`
  return row === undefined ? undefined : read(row)
}

export async function subscriptionOfStripe(db: Db, id: string): Promise<SubscriptionRow | undefined> {
  const [row] = await db<SubscriptionRow[]>`select * from plan_subscriptions where stripe_id = ${id}`
  return row === undefined ? undefined : read(row)
}

/** The one that counts: what entitles before what does not, and of those the largest plan. */
export function currentOf(rows: readonly SubscriptionRow[], now: Date): SubscriptionRow | undefined {
  return rows.toSorted((a, b) => {
    const [first, second] = [isEntitling(a, now), isEntitling(b, now)]
    if (first !== second) return first ? -1 : 1
    if (a.plan !== b.plan) return isLarger(a.plan, b.plan) ? -1 : 1
    if ((a.stripe_id === null) !== (b.stripe_id === null)) return a.stripe_id === null ? 1 : -1
    return a.id < b.id ? -1 : 1
  })[0]
}

export function isEntitling({ status, past_due_since }: SubscriptionRow, now: Date): boolean {
  return entitles({ status, pastDueSince: past_due_since }, now)
}

/** Writes a new subscription. */
export async function insertSubscription(
  { db, tenant }: Billing,
  row: Omit<
    SubscriptionRow,
    | 'trial_noticed_at'
    | 'overage_until'
    | 'lapsed_at'
    | 'next_plan'
    | 'next_plan_version'
    | 'next_term'
    | 'changes'
    | 'term_month'
  >,
): Promise<SubscriptionRow> {
  const [written] = await db<SubscriptionRow[]>`
    insert into plan_subscriptions ${db(columns({ tenant_id: tenant, ...row }))} returning *`
  if (written === undefined) throw new Error('A subscription was not written')
  return read(written)
}

/** Changes a subscription; answers it as it is then. */
export async function updateSubscription(
  billing: Billing,
  { id }: Pick<SubscriptionRow, 'id'>,
  patch: SubscriptionPatch,
): Promise<SubscriptionRow> {
  const { db } = billing
  const [written] = await db<SubscriptionRow[]>`
    update plan_subscriptions set ${db(columns(patch))} where id = ${id} returning *`
  if (written === undefined) throw new Error('A subscription is gone')
  billing.changed = true
  return read(written)
}

/** Publishes what has become of a subscription. */
export function report(
  { emit }: Billing,
  what: 'subscriptionStarted' | 'subscriptionUpdated' | 'subscriptionEnded',
  row: SubscriptionRow,
): void {
  emit(BILLING_EVENTS[what], {
    subscription: row.id,
    plan: row.plan,
    plan_version: row.plan_version,
    term: row.term,
    status: row.status,
    period_end: row.period_end.toISOString(),
    cancels_at_end: row.cancels_at_end,
  })
}

function columns(row: object): never {
  return row as never // reason: the driver takes times and nulls, which its types leave to whoever fetches types
}

/** The driver gives whole numbers of 64 bits as texts; the bounds of the column are those of exact numbers. */
function read(row: Omit<SubscriptionRow, 'base_cents'> & { base_cents: number | string }): SubscriptionRow {
  return { ...row, base_cents: Number(row.base_cents) }
}
