/** What a tenant has used in a period: what its invoices are made of. */
import type { Db } from '../database/database.ts'
import { storedName } from './meters.ts'
import { nameOf, quantityOf, quartersOf } from './sums.ts'

/** What use past a plan is priced by. */
export const BILLED = ['tokens', 'api_calls', 'sessions', 'storage_gb_months', 'gpu_seconds'] as const
export type BilledMeter = (typeof BILLED)[number]

/**
 * What the tenant of the transaction has used from `from` on and before `to`, by meter: decimals, exact but for GB-months, which
 * have six places. Both bounds are moved back to the beginning of their quarter of an hour, so that two periods that meet have
 * everything once.
 */
export async function usageIn(
  db: Db,
  { from, to }: { from: Date; to: Date },
): Promise<Record<BilledMeter, string>> {
  const rows = await db<{ meter: BilledMeter; quantity: string }[]>`
    select ${nameOf(db)} as meter,
      trim_scale(case meter when 'storage_byte_hours' then round(sum(used), 6) else sum(used) end)::text as quantity
    from (
      select meter, ${quantityOf(db, 'quarter')} as used
      from (${quartersOf(db, quarterOf(from), quarterOf(to), BILLED.map(storedName))}) as each
    ) as used group by meter`
  const found = new Map(rows.map(({ meter, quantity }) => [meter, quantity]))
  return Object.fromEntries(BILLED.map((meter) => [meter, found.get(meter) ?? '0'])) as Record<
    BilledMeter,
    string
  >
}

const QUARTER_MS = 900_000

/** The beginning of the quarter of an hour that `moment` is in: what sums are made of. */
export function quarterOf(moment: Date): Date {
  return new Date(Math.floor(moment.getTime() / QUARTER_MS) * QUARTER_MS)
}
