/** What an admin does about many dead letters at once. Who repeats a call does no harm: a function knows the events that it has taken. */
import type { Call, Given } from '../../../shared/contract/call.ts'
import { deliverAll } from './deliver-all.ts'
import type { Chosen } from './filter.ts'
import type { LetterRow } from './rows.ts'

/** Of one call. */
export const MAX_REPLAYS = 200

type Most = Chosen & { limit: number }

/** Delivers those that fit again, the least often tried first; what is taken leaves the list. */
export async function replayMany(
  chosen: Most,
  call: Given<'postgres' | 'deliveries', 'caller' | 'writes'>,
): Promise<{ taken: number; failed: number; remaining: number }> {
  const letters = await call.transact('read', ({ db }) => {
    const fits = fitting(chosen, { db })
    return db<(Pick<LetterRow, 'id' | 'function' | 'event'> & { matching: number })[]>`
      select id, function, event, count(*) over ()::int as matching from dead_letters
      where ${fits} order by replays, id limit ${chosen.limit}`
  })
  const { taken, failed } = await deliverAll(letters, call)
  await call.transact('write', async ({ db }) => {
    await db`delete from dead_letters where id = any (${listOf(taken)}::uuid[])`
    await db`
      update dead_letters set replays = replays + 1, error = new.value
      from jsonb_each(${db.json(failed)}) as new where id = new.key::uuid`
  })
  const [took, missed] = [taken.length, Object.keys(failed).length]
  return { taken: took, failed: missed, remaining: (letters[0]?.matching ?? 0) - took - missed }
}

/** Removes those that fit, oldest first, for good. */
export async function discardMany(
  chosen: Most,
  { db }: Pick<Call, 'db'>,
): Promise<{ discarded: number; remaining: number }> {
  const { count } = await db`
    delete from dead_letters where id in (
      select id from dead_letters where ${fitting(chosen, { db })} order by id limit ${chosen.limit})`
  const [left] = await db<{ n: number }[]>`
    select count(*)::int as n from dead_letters where ${fitting(chosen, { db })}`
  return { discarded: count, remaining: left?.n ?? 0 }
}

function fitting({ ids, function: name, type, from, to }: Chosen, { db }: Pick<Call, 'db'>) {
  return db`
    (${ids === undefined} or id = any (${listOf(ids ?? [])}::uuid[]))
    and function = coalesce(${name ?? null}, function) and type = coalesce(${type ?? null}, type)
    and kept_at >= coalesce(${from ?? null}::timestamptz, kept_at)
    and (${to ?? null}::timestamptz is null or kept_at < ${to ?? null}::timestamptz)`
}

const listOf = (ids: readonly string[]) => `{${ids.join(',')}}`
