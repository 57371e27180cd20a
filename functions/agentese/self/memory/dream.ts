/**
 * What a dream does to memories: what was recalled is strengthened, what says the same is merged, and what has
 * faded is demoted.
 *
 * All in one transaction. Recalling itself is read-only, so what was recalled is read here, from the
 * results of the jobs by which questions were understood; `self.memory.reinforce` has the same effect at once.
 */
import type { Call } from '../../../../shared/contract/call.ts'
import { Failure } from '../../../../shared/failures.ts'
import { mergeEqual, suggestMerges } from './merge.ts'
import { strengthen, type Recalled } from './rows.ts'

/** Relevance below which a memory falls asleep, and below which a sleeping one loses detail. */
const DROWSY = 0.3
const FADING = 0.1

export interface Consolidation {
  dreaming_count: number
  demoted_count: number
  merged_count: number
  strengthened_count: number
  /** Memories that mean much the same, in lists of two and more. */
  alike: string[][]
}

/**
 * Consolidates the memories of this person, as far as that was not done before.
 *
 * @throws Failure STATE_CONFLICT while that is being done already
 */
export async function dream(call: Pick<Call, 'db' | 'identity'>): Promise<Consolidation> {
  await beginDream(call)
  const since = await lastConsolidation(call)
  const strengthened_count = await strengthen(call, await recalledSince(call, since))
  const dreaming_count = await fallAsleep(call)
  const merged_count = await mergeEqual(call)
  const alike = await suggestMerges(call, since)
  const demoted_count = await demote(call)
  await call.db`
    insert into memory_consolidations (tenant_id, user_id, at)
    values (${call.identity.tenant}, ${call.identity.user}, clock_timestamp())
    on conflict (tenant_id, user_id) do update set at = excluded.at`
  return { dreaming_count, demoted_count, merged_count, strengthened_count, alike }
}

/** When this person's memories were consolidated last; the beginning of time where they never were. */
export async function lastConsolidation({ db, identity }: Pick<Call, 'db' | 'identity'>): Promise<Date> {
  const [row] = await db<{ at: Date }[]>`
    select at from memory_consolidations where user_id = ${identity.user}`
  return row?.at ?? new Date(0)
}

/** Whether this person's memories are being consolidated now. */
export async function isConsolidating(call: Pick<Call, 'db' | 'identity'>): Promise<boolean> {
  const [row] = await call.db<{ free: boolean }[]>`
    select pg_try_advisory_xact_lock_shared(${dreamLock(call)}) as free`
  return row?.free === false
}

/** @throws Failure STATE_CONFLICT while this person's memories are being consolidated already */
async function beginDream(call: Pick<Call, 'db' | 'identity'>): Promise<void> {
  const [row] = await call.db<{ free: boolean }[]>`
    select pg_try_advisory_xact_lock(${dreamLock(call)}) as free`
  if (row?.free === true) return
  throw new Failure('STATE_CONFLICT', 'Cannot consolidate: your memories are dreaming already', {
    suggestion: 'Wait until the consolidation that is under way is done',
  })
}

function dreamLock({ db, identity }: Pick<Call, 'db' | 'identity'>) {
  return db`hashtextextended(${`dream/${identity.tenant}/${identity.user}`}, 0)`
}

async function recalledSince(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  since: Date,
): Promise<Recalled[]> {
  return db<Recalled[]>`
    select hit->>'id' as id, count(*)::int as times, to_json(max(finished_at))#>>'{}' as at
    from jobs, json_array_elements(result->'results') hit
    where path = 'self.memory.recall' and status = 'completed' and user_id = ${identity.user} and finished_at > ${since}
    group by 1`
}

/** What sleeps dreams until the end; it cannot be read meanwhile. */
async function fallAsleep({ db, identity }: Pick<Call, 'db' | 'identity'>): Promise<number> {
  const rows = await db`
    update memories set lifecycle = 'dreaming' where user_id = ${identity.user} and lifecycle = 'dormant'`
  return rows.count
}

/** Ends the dream: dreaming ones sleep on, with less detail where they have faded; drowsy ones fall asleep. */
async function demote({ db, identity }: Pick<Call, 'db' | 'identity'>): Promise<number> {
  const [row] = await db<{ demoted: number }[]>`
    with woken as (
      update memories m set lifecycle = 'dormant',
        resolution = case when relevance_now(m) < ${FADING} then m.resolution / 2 else m.resolution end
      where m.user_id = ${identity.user} and m.lifecycle = 'dreaming'
      returning new.resolution < old.resolution as demoted
    ), drowsy as (
      update memories m set lifecycle = 'dormant'
      where m.user_id = ${identity.user} and m.lifecycle = 'active' and relevance_now(m) < ${DROWSY} and not m.cherished
      returning true as demoted
    )
    select count(*) filter (where demoted)::int as demoted
    from (select demoted from woken union all select demoted from drowsy)`
  return row?.demoted ?? 0
}
