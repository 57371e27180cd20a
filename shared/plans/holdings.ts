/**
 * How many things of a kind a tenant may hold at once, by its plan. Acquiring a slot is one conditional statement, so two
 * calls can never both take the last one. What is held already stays, also where a smaller plan has fewer slots.
 */
import type { Db } from '../database/database.ts'
import { Failure } from '../failures.ts'
import type { Bounded, Subscriber } from './plan.ts'

/** The limit of each kind. */
export const HOLDINGS = { agent: 'agents', entity: 'entities', tool: 'tools' } as const satisfies Record<
  string,
  Bounded
>
export type Holding = keyof typeof HOLDINGS

/**
 * Acquires a slot for one more `kind`.
 *
 * @throws Failure QUOTA_EXCEEDED where the plan has none left
 */
export async function takePlace(db: Db, { tenant, plan }: Subscriber, kind: Holding): Promise<void> {
  const limit = plan.limits[HOLDINGS[kind]]
  const taken = await db`
    insert into holdings (tenant_id, kind, held) select ${tenant}, ${kind}, 1
      where ${limit}::bigint is null or ${limit}::bigint > 0
    on conflict (tenant_id, kind) do update set held = holdings.held + 1
      where ${limit}::bigint is null or holdings.held < ${limit}::bigint
    returning held`
  if (taken.length > 0) return
  throw new Failure('QUOTA_EXCEEDED', `Cannot make one more ${kind}: plan "${plan.id}" holds ${limit}`, {
    suggestion: `Give up one ${kind} that you no longer need, or move to a larger plan`,
    details: { resource: kind, tier: plan.id, limit },
  })
}

/** Gives back the place of one `kind` that is gone. */
export async function leavePlace(db: Db, kind: Holding): Promise<void> {
  await db`update holdings set held = held - 1 where kind = ${kind}`
}
