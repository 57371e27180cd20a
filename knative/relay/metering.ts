/**
 * Counts usage beside the draining of a database, on a connection of its own: every two seconds what was committed since, every
 * hour what is stored, and each day that is over against the ledger. Whatever fails is tried again with the next turn: how far
 * the counting is stands in the database, so nothing is counted twice.
 */
import postgres, { type Sql } from 'postgres'
import { pause } from '../../shared/pause.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { createStateLog } from '../../shared/telemetry/state-log.ts'
import type { Metrics } from './metrics.ts'

const INTERVAL_MS = 2000
/** Tenants that are reconciled in one transaction. */
const RECONCILED_AT_ONCE = 50
const DELETE_BATCH = 1000
/** What is stored is read once an hour, and old rows are removed. */
const SLOW_INTERVAL_MS = 60_000

export interface MeteringOptions {
  url: string
  /** The database's name in the figures. */
  database: string
  metrics: Metrics
  log: Log
  intervalMs?: number
}

export interface Metering {
  close(): Promise<void>
}

export function openMetering({
  url,
  database,
  metrics,
  log,
  intervalMs = INTERVAL_MS,
}: MeteringOptions): Metering {
  const sql = postgres(url, {
    max: 1,
    connect_timeout: 3,
    fetch_types: false,
    onnotice: () => {},
    connection: { application_name: 'kgents-relay-metering', statement_timeout: 300_000 },
  })
  const closing = new AbortController()
  const report = createStateLog(log, `metering of ${database}`)
  let nextSlow = -Infinity
  const turn = async () => {
    await sql`select roll_up_usage()`
    if (performance.now() >= nextSlow) {
      nextSlow = performance.now() + SLOW_INTERVAL_MS
      await doSlowly(sql, closing.signal)
    }
    const [row] = await sql<{ lag: number; differing: number }[]>`
      select usage_lag_seconds() as lag, usage_discrepancies()::int as differing`
    metrics.set('kgents_metering_lag_seconds', row?.lag ?? 0, { database })
    metrics.set('kgents_metering_discrepancies', row?.differing ?? 0, { database })
  }
  const running = repeat(turn, intervalMs, closing.signal, report)
  return {
    async close() {
      closing.abort()
      await sql.end({ timeout: 1 })
      await running
      for (const name of ['kgents_metering_lag_seconds', 'kgents_metering_discrepancies'] as const)
        metrics.remove(name, { database })
    },
  }
}

async function doSlowly(sql: Sql, closed: AbortSignal): Promise<void> {
  await sql`select sample_storage()`
  let reconciled = RECONCILED_AT_ONCE
  while (!closed.aborted && reconciled === RECONCILED_AT_ONCE) {
    const [row] = await sql<
      { done: number }[]
    >`select reconcile_usage_days(${RECONCILED_AT_ONCE}::int) as done`
    reconciled = row?.done ?? 0
  }
  let deleted = DELETE_BATCH
  while (!closed.aborted && deleted === DELETE_BATCH) {
    const [row] = await sql<{ deleted: number }[]>`select delete_old_usage(${DELETE_BATCH}::int) as deleted`
    deleted = row?.deleted ?? 0
  }
}

async function repeat(
  turn: () => Promise<void>,
  intervalMs: number,
  closed: AbortSignal,
  report: ReturnType<typeof createStateLog>,
): Promise<void> {
  while (!closed.aborted) {
    try {
      await turn()
      report('works')
    } catch (error) {
      if (!closed.aborted) report('fails and is tried again', error)
    }
    await pause(intervalMs, closed)
  }
}
