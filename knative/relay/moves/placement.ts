/** The row that says where a tenant is to be, and how far its move is. */
import type { Sql } from 'postgres'

export type Step = 'create' | 'copy' | 'fence' | 'switch' | 'open' | 'keep' | 'clean' | 'done'

export interface Placement {
  tenant: string
  /** Name of the silo. */
  database: string
  wanted: 'pool' | 'silo' | 'none'
  step: Step
  /** Seconds since the step began. */
  seconds: number
}

/** A failed step is tried again after 1 s, then twice as long each time, up to a minute. */
const MAX_DELAY_SECONDS = 60

/** Moves that have something to do, the one that was ordered first at the front. */
export function readDue(pool: Sql): Promise<Placement[]> {
  return pool<Placement[]>`
    select tenant_id as tenant, coalesce(database, '') as database, wanted, step, extract(epoch from now() - step_since)::float8 as seconds
    from placements where step <> 'done' and next_attempt_at <= now() order by requested_at`
}

/** Goes on to `next`; false where somebody else has changed the step meanwhile. */
export async function advance(pool: Sql, { tenant, step, wanted }: Placement, next: Step): Promise<boolean> {
  const { count } = await pool`
    update placements set step = ${next}, step_since = now(), attempts = 0, error = null, next_attempt_at = now(),
      database = case when ${next} = 'done' and wanted = 'pool' then null else database end
    where tenant_id = ${tenant} and step = ${step} and wanted = ${wanted}`
  return count > 0
}

/** Notes why a step failed; it is tried again later, or the move goes back to `back`. */
export async function noteFailure(
  pool: Sql,
  { tenant, step }: Placement,
  error: unknown,
  back: Step,
): Promise<void> {
  const reason = error instanceof Error ? error.message : String(error)
  await pool`
    update placements set step = ${back}, step_since = now(), error = ${`${step}: ${reason}`.slice(0, 500)},
      attempts = attempts + 1,
      next_attempt_at = now() + make_interval(secs => least(${MAX_DELAY_SECONDS}, 2 ^ least(attempts, 10)))
    where tenant_id = ${tenant} and step = ${step}`
}
