/**
 * How many things of a kind a tenant may hold at once, by its plan. Acquiring a slot is one conditional statement, so two
 * calls can never both take the last one.
 */
import type { Db } from '../database/database.ts'
import { Failure } from '../failures.ts'
import type { Subscriber, Tier } from './tiers.ts'

/** Places of each kind; null is without limit. Entities follow from a plan's storage, at up to 100 KB each. */
export const HOLDINGS = {
  agent: { free: 1, starter: 5, pro: 25, team: 100, enterprise: null },
  entity: { free: 1000, starter: 10_000, pro: 100_000, team: 1_000_000, enterprise: null },
  tool: { free: 5, starter: 25, pro: 100, team: 500, enterprise: null },
} as const satisfies Record<string, Record<Tier, number | null>>

export type Holding = keyof typeof HOLDINGS

/**
 * Acquires a slot for one more `kind`.
 *
 * @throws Failure QUOTA_EXCEEDED where the plan has none left
 */
export async function takePlace(db: Db, { tenant, tier }: Subscriber, kind: Holding): Promise<void> {
  const limit = HOLDINGS[kind][tier]
  const taken = await db`
    insert into holdings (tenant_id, kind, held) values (${tenant}, ${kind}, 1)
    on conflict (tenant_id, kind) do update set held = holdings.held + 1
      where ${limit}::integer is null or holdings.held < ${limit}::integer
    returning held`
  if (taken.length > 0) return
  throw new Failure('QUOTA_EXCEEDED', `Cannot make one more ${kind}: plan "${tier}" holds ${limit}`, {
    suggestion: `Give up one ${kind} that you no longer need, or move to a larger plan`,
    details: { resource: kind, tier, limit },
  })
}

/** Gives back the place of one `kind` that is gone. */
export async function leavePlace(db: Db, kind: Holding): Promise<void> {
  await db`update holdings set held = held - 1 where kind = ${kind}`
}
