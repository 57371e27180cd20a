/** Marks in PostgreSQL, of the tenant of a transaction: row-level security shows no others. */
import type { Db } from '../../../shared/database/database.ts'
import { readableMarks } from '../../../shared/contract/visibility.ts'
import type {
  ListedTrace,
  Reader,
  TraceMark,
  TraceStore,
  WantedTraces,
} from '../../../shared/traces/trace-store.ts'

type Listed = ListedTrace & { list_place: [string, string] }

export function marksInPostgres(db: Db): TraceStore {
  return {
    list: (wanted, bounds, reader) => list(db, wanted, bounds, reader),
    async marksOf(trace, most, reader) {
      return db<TraceMark[]>`
        select id, path, outcome, code, user_id, archetype, charges, duration_ms, at, model from marks
        where trace_id = ${trace} and ${readableMarks(db, reader)} order by at, id limit ${most}`
    },
  }
}

async function list(
  db: Db,
  { start = null, end = null, path = null, status = null, min_duration_ms = 0 }: Nullable<WantedTraces>,
  { limit, after }: Parameters<TraceStore['list']>[1],
  reader: Reader,
): Promise<Listed[]> {
  /** The same for the call and for those before it, which are `m` and `earlier`. */
  const fits = () => db`
    ${readableMarks(db, reader)} and duration_ms >= ${min_duration_ms}
      and (${path}::text is null or path = ${path} or starts_with(path, ${path} || '.'))
      and (${status}::text is null or outcome = ${status})`
  return db<Listed[]>`
    select m.id, m.trace_id, m.path, m.outcome, m.code, m.duration_ms, m.at, whole.calls, whole.charges,
      json_build_array(to_char(m.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), m.id::text) as list_place
    from (select * from marks where ${fits()}) m cross join lateral (
      select (select count(*)::int from marks where trace_id = m.trace_id and ${readableMarks(db, reader)}) as calls,
        (select coalesce(jsonb_object_agg(resource, amount), '{}') from (
          select key as resource, sum(value::numeric) as amount from marks, jsonb_each_text(charges)
          where trace_id = m.trace_id and ${readableMarks(db, reader)} group by key) sums) as charges
      ) whole
    where (${start}::timestamptz is null or m.at >= ${start}) and (${end}::timestamptz is null or m.at < ${end})
      and ${after === undefined ? db`true` : db`(m.at, m.id) < (${after.at}::text::timestamptz, ${after.id}::text::uuid)`}
      and not exists (
        select from (select * from marks where ${fits()}) earlier
        where earlier.trace_id = m.trace_id and (earlier.at, earlier.id) < (m.at, m.id))
    order by m.at desc, m.id desc limit ${limit + 1}`
}

type Nullable<T> = { [K in keyof T]: T[K] | null }
