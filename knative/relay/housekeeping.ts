/**
 * What goes on beside the draining of a database, on connections of its own: the ear for NOTIFY, the removal of
 * published rows, and the figures. Nothing here is needed for events to flow, so failures are left to the next turn.
 */
import postgres, { type Sql } from 'postgres'
import type { Metrics } from './metrics.ts'

const EVERY_MILLISECONDS = 5000
const DELETE_BATCH = 1000

export interface Housekeeping {
  close(): Promise<void>
}

export interface HousekeepingOptions {
  url: string
  /** The database's name in the figures. */
  database: string
  metrics: Metrics
  onNotify: () => void
}

export function openHousekeeping({ url, database, metrics, onNotify }: HousekeepingOptions): Housekeeping {
  const sql = postgres(url, {
    max: 1,
    idle_timeout: 30,
    connect_timeout: 3,
    fetch_types: false,
    onnotice: () => {},
    connection: {
      application_name: 'kgents-relay-housekeeping',
      statement_timeout: 10_000,
      synchronous_commit: 'off',
    },
  })
  const closing = new AbortController()
  const closed = closing.signal
  sql.listen('outbox', onNotify).catch(() => {})
  const turn = async () => {
    await observe(sql, metrics, database)
    let deleted = DELETE_BATCH
    while (!closed.aborted && deleted === DELETE_BATCH) deleted = await deleteBatch(sql)
  }
  let running: Promise<void> = Promise.resolve()
  const timer = setInterval(() => (running = running.then(turn).catch(() => {})), EVERY_MILLISECONDS)
  return {
    async close() {
      closing.abort()
      clearInterval(timer)
      metrics.set('relay_leading', 0, { database })
      await sql.end({ timeout: 1 })
    },
  }
}

async function observe(sql: Sql, metrics: Metrics, database: string): Promise<void> {
  const [row] = await sql<{ lag: number; waiting: number }[]>`
    select
      coalesce(extract(epoch from now() - (
        select created_at from outbox where published_at is null order by xid, seq limit 1
      )), 0)::float8 as lag,
      (select count(*) from jobs where admitted_at is null and status = 'queued')::int as waiting`
  metrics.set('relay_lag_seconds', Math.max(0, row?.lag ?? 0), { database })
  metrics.set('relay_jobs_waiting', row?.waiting ?? 0, { database })
}

/** Rows set aside are published at infinity, and stay. */
async function deleteBatch(sql: Sql): Promise<number> {
  const { count } = await sql`
    delete from outbox where seq in (
      select seq from outbox where published_at < now() - interval '1 hour' limit ${DELETE_BATCH}
    )`
  return count
}
