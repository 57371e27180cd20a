/**
 * What a plan grants of a metered resource in a calendar month (UTC), and the reservation of it. Reserving is one
 * conditional statement, so two calls can never both take the last of it.
 */
import type { Db } from '../database/database.ts'
import { Failure } from '../failures.ts'
import { grantedOf, type Bounded, type Meter, type Subscriber } from './plan.ts'

/** What is granted by the month. */
const MONTHLY = { tokens: 'tokensPerMonth', sessions: 'sessionsPerMonth' } as const satisfies Partial<
  Record<Meter, Bounded>
>
type Monthly = keyof typeof MONTHLY

/** The month that `at` falls into, such as `2026-11`. */
export function periodOf(at: Date): string {
  return at.toISOString().slice(0, 7)
}

/**
 * Sets `amount` tokens of this month aside.
 *
 * @throws Failure QUOTA_EXCEEDED when the plan does not have them any more
 */
export async function reserveTokens(
  db: Db,
  subscriber: Subscriber,
  amount: number,
  period: string,
): Promise<void> {
  await take(db, subscriber, 'tokens', { reserved: amount, spent: 0, period })
}

/**
 * Uses up one session of this month.
 *
 * @throws Failure QUOTA_EXCEEDED when the plan has none left
 */
export async function spendSession(db: Db, subscriber: Subscriber): Promise<void> {
  await take(db, subscriber, 'sessions', { reserved: 0, spent: 1, period: periodOf(new Date()) })
}

interface Taken {
  reserved: number
  spent: number
  period: string
}

async function take(db: Db, subscriber: Subscriber, resource: Monthly, taken: Taken): Promise<void> {
  const { tenant } = subscriber
  const { reserved, spent, period } = taken
  const granted = grantedOf(subscriber, MONTHLY[resource], resource)
  const amount = reserved + spent
  const rows = await db`
    insert into allowances (tenant_id, resource, period, granted, reserved, spent)
    select ${tenant}, ${resource}, ${period}, ${granted}::numeric, ${reserved}::numeric, ${spent}::numeric
    where ${granted}::numeric is null or ${amount}::numeric <= ${granted}::numeric
    on conflict (tenant_id, resource, period) do update
      set reserved = allowances.reserved + excluded.reserved, spent = allowances.spent + excluded.spent,
        granted = excluded.granted
      where excluded.granted is null
         or allowances.spent + allowances.reserved + excluded.reserved + excluded.spent <= excluded.granted
    returning reserved`
  if (rows.length === 0) throw usedUp(subscriber, resource, amount)
}

function usedUp({ plan }: Subscriber, resource: Monthly, amount: number): Failure {
  const limit = plan.limits[MONTHLY[resource]]
  return new Failure(
    'QUOTA_EXCEEDED',
    `Cannot use ${amount} ${resource}: plan "${plan.id}" has too few left of ${limit} this month`,
    {
      suggestion: 'Move to a larger plan, allow use past the plan, or wait for the next month',
      retryAfterSeconds: secondsToNextMonth(new Date()),
      details: { resource, tier: plan.id, limit },
    },
  )
}

/** Whether `amount` tokens of this month are left; who reserves them may still come too late. */
export async function hasTokens(db: Db, subscriber: Subscriber, amount: number): Promise<boolean> {
  const granted = grantedOf(subscriber, 'tokensPerMonth', 'tokens')
  if (granted === null) return true
  const [row] = await db<{ used: number }[]>`
    select (spent + reserved)::float8 as used from allowances
    where resource = 'tokens' and period = ${periodOf(new Date())}`
  return (row?.used ?? 0) + amount <= granted
}

/** Ends a reservation: `spent` of the `reserved` tokens were really used. */
export async function settleTokens(db: Db, reserved: number, spent: number, period: string): Promise<void> {
  await db`
    update allowances set reserved = greatest(0, reserved - ${reserved}::numeric), spent = spent + ${spent}::numeric
    where resource = 'tokens' and period = ${period}`
}

function secondsToNextMonth(now: Date): number {
  return Math.ceil((Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1) - now.getTime()) / 1000)
}
