/**
 * Exports the marks of one database to ClickHouse, from where it stands: in the order of their transactions, of which it takes
 * those that nothing can be committed before any more. A batch may be sent again, and is the same rows then.
 */
import type { Sql } from 'postgres'
import type { ClickHouse, SentMark } from '../../shared/traces/clickhouse.ts'
import { backoff, pause } from '../../shared/pause.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { createStateLog } from '../../shared/telemetry/state-log.ts'

const NAME = 'clickhouse'
const BATCH = 5000
const INTERVAL_MS = 2000
const FIRST_PAUSE_MS = 1000
const MAX_PAUSE_MS = 300_000
/** Erased tenants are looked for now and then. */
const ERASE_INTERVAL_MS = 3_600_000

export interface TraceExportOptions {
  sql: Sql
  to: Pick<ClickHouse, 'prepare' | 'insert' | 'erase'>
  log: Log
  /** Host and name of the database, for the log. */
  database: string
  signal: AbortSignal
}

/** Exports until `signal` aborts. */
export async function runTraceExport(options: TraceExportOptions): Promise<void> {
  const { sql, to, log, database, signal } = options
  const report = createStateLog(log, `export of traces of ${database}`)
  let failures = 0
  let isReady = false
  let nextErasure = -Infinity
  while (!signal.aborted) {
    try {
      if (!isReady) {
        await to.prepare()
        await sql`insert into trace_exports (name) values (${NAME}) on conflict do nothing`
        isReady = true
      }
      if (performance.now() >= nextErasure) {
        await eraseTenants(options)
        nextErasure = performance.now() + ERASE_INTERVAL_MS
      }
      const sent = await exportMarks(options)
      report('works')
      failures = 0
      if (sent < BATCH) await pause(INTERVAL_MS, signal)
    } catch (error) {
      if (signal.aborted) return
      failures += 1
      report('fails and is tried again', error)
      await pause(backoff(failures, FIRST_PAUSE_MS, MAX_PAUSE_MS), signal)
    }
  }
}

/** Without a store nothing waits to be exported, and no mark is kept for it. */
export async function forgetTraceExport(sql: Sql): Promise<void> {
  await sql`delete from trace_exports`
}

interface MarkRow extends SentMark {
  xid: string
}

/** Exports what is next; how many marks that were. */
export async function exportMarks({ sql, to }: Pick<TraceExportOptions, 'sql' | 'to'>): Promise<number> {
  const marks = await sql<MarkRow[]>`
    select m.id, m.tenant_id, to_char(m.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') as at, m.trace_id, m.path,
      m.category, m.outcome, m.code, m.user_id, m.archetype, m.charges, m.job_id, m.model, m.duration_ms, m.xid::text as xid,
      to_char(least(coalesce(m.at + make_interval(days => (p.limits ->> 'auditDays')::integer), 'infinity'),
        '2100-01-01') at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as kept_until
    from trace_exports e
      join marks m on m.xid >= e.xid and (m.xid, m.id) > (e.xid, e.mark) and m.xid < pg_snapshot_xmin(pg_current_snapshot())
      join tenants t on t.id = m.tenant_id
      join plans p on p.id = t.tier and p.version = t.plan_version
    where e.name = ${NAME} order by m.xid, m.id limit ${BATCH}`
  const [first, last] = [marks[0], marks.at(-1)]
  if (first === undefined || last === undefined) {
    await beginAnew(sql)
    return 0
  }
  await to.insert(marks.map(withoutXid), `${first.id}-${last.id}-${marks.length}`)
  await sql`
    update trace_exports set xid = ${last.xid}::text::xid8, mark = ${last.id}, sent = sent + ${marks.length}, sent_at = now()
    where name = ${NAME} and (xid, mark) < (${last.xid}::text::xid8, ${last.id}::uuid)`
  return marks.length
}

function withoutXid({ xid: _xid, ...mark }: MarkRow): SentMark {
  return mark
}

/** A database that was restored on another server counts its transactions anew; what it has exported is sent again. */
async function beginAnew(sql: Sql): Promise<void> {
  await sql`
    update trace_exports set xid = '0', mark = default
    where name = ${NAME} and xid > pg_snapshot_xmax(pg_current_snapshot())`
}

/** Erases in ClickHouse what is erased here; erasing it again changes nothing. */
export async function eraseTenants({ sql, to }: Pick<TraceExportOptions, 'sql' | 'to'>): Promise<void> {
  const rows = await sql<{ id: string }[]>`
    select id from tombstones where erased_at > now() - interval '30 days'`
  if (rows.length > 0) await to.erase(rows.map(({ id }) => id))
}
