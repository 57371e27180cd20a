/**
 * What a plan grants of a metered resource in a calendar month (UTC), and the reservation of it. Reserving is one
 * conditional statement, so two calls can never both take the last of it.
 */
import type { Db } from '../database/database.ts'
import { Failure } from '../failures.ts'
import type { Subscriber, Tier } from './tiers.ts'

/** Tokens, in and out, per month; null is without limit. */
export const TOKENS_PER_MONTH: Record<Tier, number | null> = {
  free: 10_000,
  starter: 100_000,
  pro: 500_000,
  team: 2_000_000,
  enterprise: null,
}

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
  { tenant, tier }: Subscriber,
  amount: number,
  period: string,
): Promise<void> {
  const granted = TOKENS_PER_MONTH[tier]
  const rows = await db`
    insert into allowances (tenant_id, resource, period, granted, reserved)
    select ${tenant}, 'tokens', ${period}, ${granted}::numeric, ${amount}::numeric
    where ${granted}::numeric is null or ${amount}::numeric <= ${granted}::numeric
    on conflict (tenant_id, resource, period) do update
      set reserved = allowances.reserved + excluded.reserved, granted = excluded.granted
      where excluded.granted is null
         or allowances.spent + allowances.reserved + excluded.reserved <= excluded.granted
    returning reserved`
  if (rows.length > 0) return
  throw new Failure(
    'QUOTA_EXCEEDED',
    `Cannot reserve ${amount} tokens: plan "${tier}" has too few left this month`,
    {
      suggestion: 'Move to a larger plan, or wait for the next month',
      retryAfterSeconds: secondsToNextMonth(new Date()),
      details: { resource: 'tokens', tier, limit: granted },
    },
  )
}

/** Whether `amount` tokens of this month are left; who reserves them may still come too late. */
export async function hasTokens(
  db: Db,
  { tier }: Pick<Subscriber, 'tier'>,
  amount: number,
): Promise<boolean> {
  const granted = TOKENS_PER_MONTH[tier]
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
