/**
 * Exports the usage of one database to one service, from where it stands: rows of `usage_exports` have the order of their
 * commits, and wait there while the service is unavailable. An event may be sent again, under the same id.
 */
import type { Sql } from 'postgres'
import { backoff, pause } from '../../shared/pause.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { createStateLog } from '../../shared/telemetry/state-log.ts'
import type { ExportMetrics } from './metrics.ts'
import { send, Unavailable, type Destination, type Rejection } from './send.ts'
import type { UsageEvent } from './service.ts'

const INTERVAL_MS = 1000
const FIRST_PAUSE_MS = 1000
const MAX_PAUSE_MS = 300_000
/** Rows that are counted as waiting, at most: each turn counts them. */
const MAX_COUNTED = 100_000

export interface ExporterOptions {
  sql: Sql
  /** Host and name of the database, for the log. */
  database: string
  to: Destination
  metrics: ExportMetrics
  log: Log
  signal: AbortSignal
  intervalMs?: number
  /** Of one request. */
  timeoutSeconds?: number
}

/** Exports until `signal` aborts. */
export async function runExporter(options: ExporterOptions): Promise<void> {
  const { signal, log, to, database, intervalMs = INTERVAL_MS } = options
  const report = createStateLog(log, `export of ${database} to ${to.service.name}`)
  let failures = 0
  while (!signal.aborted) {
    try {
      const sent = await exportBatch(options)
      report('works')
      failures = 0
      if (sent < to.service.most) await pause(intervalMs, signal)
    } catch (error) {
      if (signal.aborted) return
      failures += 1
      report('fails and is tried again', error)
      const seconds = error instanceof Unavailable ? (error.retryAfterSeconds ?? 0) : 0
      const wait = Math.max(seconds * 1000, backoff(failures, FIRST_PAUSE_MS, MAX_PAUSE_MS))
      await pause(Math.min(wait, MAX_PAUSE_MS), signal)
    }
  }
}

/**
 * Exports what is next; how many events that were.
 *
 * @throws Unavailable after noting it, where the service takes nothing now
 */
export async function exportBatch({
  sql,
  database,
  to,
  metrics,
  signal,
  timeoutSeconds,
}: ExporterOptions): Promise<number> {
  const { name, most } = to.service
  const [state] = await sql<{ through: string; waiting: number }[]>`
    select sent_through as through, (
      select count(*)::int from (select from usage_exports where seq > sent_through limit ${MAX_COUNTED}) as waiting
    ) as waiting from usage_export_targets where name = ${name}`
  if (state === undefined) return 0
  metrics.waiting(name, database, state.waiting)
  const events = await sql<UsageEvent[]>`
    select seq, id, tenant_id, at, meter, path, model, person, key, quantity from usage_exports
    where seq > ${state.through} order by seq limit ${most}`
  if (events.length === 0) return 0
  try {
    const rejections = await metrics.timed(name, () => send(to, events, signal, timeoutSeconds))
    await noteSent(sql, name, state.through, events, rejections)
    for (const { meter } of events) metrics.sent(name, meter)
    metrics.waiting(name, database, state.waiting - events.length)
    return events.length
  } catch (error) {
    if (!(error instanceof Unavailable) || signal.aborted) throw error
    metrics.failed(name)
    await sql`
      update usage_export_targets set flush_errors = flush_errors + 1, error = ${error.message} where name = ${name}`
    throw error
  }
}

/** Two exporters at once have sent the same; the first one notes it. */
async function noteSent(
  sql: Sql,
  name: string,
  before: string,
  events: readonly UsageEvent[],
  rejections: readonly Rejection[],
): Promise<void> {
  const through = events.at(-1)?.seq ?? before
  await sql.begin(async (db) => {
    const { count } = await db`
      update usage_export_targets
      set sent_through = ${through}, sent = sent + ${events.length - rejections.length},
        rejected = rejected + ${rejections.length}, last_flush = now(), error = null
      where name = ${name} and sent_through = ${before}`
    if (count === 0) return
    for (const { event, status, reason } of rejections) {
      await db`
        insert into usage_export_rejects (tenant_id, target, id, status, reason, event)
        values (${event.tenant_id}, ${name}, ${event.id}, ${status}, ${reason}, ${db.json({ ...event })})
        on conflict do nothing`
    }
  })
}

/** Makes the database keep what these services are to have; what is kept for others is kept no longer. */
export async function declareTargets(sql: Sql, names: readonly string[]): Promise<void> {
  await sql.begin(async (db) => {
    await db`delete from usage_export_targets where name <> all(${[...names]})`
    // From now on: what was used before is in the sums, and nowhere else.
    await db`
      insert into usage_export_targets (name, sent_through)
      select name, coalesce((select max(seq) from usage_exports), 0) from unnest(${[...names]}::text[]) as name
      on conflict do nothing`
  })
}
