/**
 * What goes on beside the draining of a database, on connections of its own: the ear for NOTIFY, the removal of rows
 * that are of no use any more, and the figures. Nothing here is needed for events to flow, so failures are left to the next turn.
 */
import postgres, { type Sql } from 'postgres'
import type { Log } from '../../shared/telemetry/log.ts'
import { TIERS } from '../../shared/plans/tiers.ts'
import { readTier } from './admission/weights.ts'
import { createDepartures } from './departures.ts'
import type { Metrics } from './metrics.ts'
import type { StreamLink } from './stream-link.ts'

const INTERVAL_MS = 5000
const DELETE_BATCH = 1000
/** What a plan keeps goes by days, and each turn asks about every tenant. */
const PLAN_INTERVAL_MS = 600_000
/** Batches of each kind in a turn, at most: what waits for long is not kept from going on by what is many. */
const MAX_BATCHES = 50
/** What goes by the days of a tenant's plan; jobs before marks, since a trace is made of both. */
const KEPT_BY_PLAN = ['audit', 'jobs', 'marks', 'changes'] as const
/** Memories; each takes what was made of it along. */
const FORGET_BATCH = 100

/**
 * Rows that go when they are old. An event or a request that comes again later than its row here is kept counts as new,
 * so the inbox outlives the streams, which keep 7 days. Outbox rows set aside are published at infinity, and go by when
 * they were written.
 */
const PASSING: readonly Passing[] = [
  { table: 'outbox', key: ['seq'], since: 'published_at', kept: '1 hour' },
  { table: 'outbox', key: ['seq'], since: 'created_at', kept: '30 days', of: 'set aside' },
  { table: 'inbox', key: ['consumer', 'event_id'], since: 'received_at', kept: '8 days' },
  { table: 'idempotency_keys', key: ['tenant_id', 'key'], since: 'created_at', kept: '8 days' },
  { table: 'dead_letters', key: ['id'], since: 'kept_at', kept: '30 days' },
]

interface Passing {
  table: string
  key: readonly string[]
  since: string
  kept: string
  of?: 'set aside'
}

export interface Housekeeping {
  close(): Promise<void>
}

export interface HousekeepingOptions {
  url: string
  /** The database's name in the figures. */
  database: string
  metrics: Metrics
  onNotify: () => void
  link: StreamLink
  log: Log
}

export function openHousekeeping({
  url,
  database,
  metrics,
  onNotify,
  link,
  log,
}: HousekeepingOptions): Housekeeping {
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
  const departures = createDepartures({ sql, link, log, metrics, closed })
  let nextByPlan = -Infinity
  const turn = async () => {
    await observe(sql, metrics, database)
    for (const passing of PASSING) {
      let deleted = DELETE_BATCH
      while (!closed.aborted && deleted === DELETE_BATCH) deleted = await deleteBatch(sql, passing)
    }
    let forgotten = FORGET_BATCH
    while (!closed.aborted && forgotten === FORGET_BATCH) forgotten = await deleteForgotten(sql)
    if (performance.now() >= nextByPlan) {
      nextByPlan = performance.now() + ((await deleteByPlan(sql, closed)) ? 0 : PLAN_INTERVAL_MS)
    }
    if (!closed.aborted) await departures.turn()
  }
  let running: Promise<void> = Promise.resolve()
  const timer = setInterval(() => (running = running.then(turn).catch(() => {})), INTERVAL_MS)
  return {
    async close() {
      closing.abort()
      clearInterval(timer)
      metrics.set('relay_leading', 0, { database })
      await sql.end({ timeout: 1 })
      // A turn under way sets them once more.
      await running
      // The relay that leads next reports them; what was known last would be added to it.
      metrics.remove('relay_lag_seconds', { database })
      for (const tier of TIERS) metrics.remove('relay_jobs_waiting', { database, tier })
    },
  }
}

async function observe(sql: Sql, metrics: Metrics, database: string): Promise<void> {
  const [row] = await sql<{ lag: number }[]>`
    select
      coalesce(extract(epoch from now() - (
        select created_at from outbox where published_at is null order by xid, seq limit 1
      )), 0)::float8 as lag`
  metrics.set('relay_lag_seconds', Math.max(0, row?.lag ?? 0), { database })
  const rows = await sql<{ tier: string | null; waiting: number }[]>`
    select t.tier, sum(w.waiting)::int as waiting from (
      select tenant_id, count(*) as waiting from jobs where admitted_at is null and status = 'queued' group by tenant_id
    ) w left join tenants t on t.id = w.tenant_id group by t.tier`
  for (const tier of TIERS) {
    const waiting = rows.filter((each) => readTier(each.tier) === tier)
    const total = waiting.reduce((sum, each) => sum + each.waiting, 0)
    metrics.set('relay_jobs_waiting', total, { database, tier })
  }
}

async function deleteBatch(sql: Sql, { table, key, since, kept, of }: Passing): Promise<number> {
  const { count } = await sql`
    delete from ${sql(table)} where (${sql([...key])}) in (
      select ${sql([...key])} from ${sql(table)}
      where ${sql(since)} < now() - ${kept}::interval
        and ${of === undefined ? sql`true` : sql`published_at = 'infinity'`} limit ${DELETE_BATCH}
    )`
  return count
}

async function deleteForgotten(sql: Sql): Promise<number> {
  const [row] = await sql<{ deleted: number }[]>`select delete_forgotten(${FORGET_BATCH}) as deleted`
  return row?.deleted ?? 0
}

/** Deletes what is older than the plan of its tenant keeps; whether there may be more of it. */
async function deleteByPlan(sql: Sql, closed: AbortSignal): Promise<boolean> {
  let more = false
  for (const kind of KEPT_BY_PLAN) {
    let deleted = DELETE_BATCH
    for (let batches = 0; deleted === DELETE_BATCH && batches < MAX_BATCHES && !closed.aborted; batches++) {
      const [row] = await sql<{ deleted: number }[]>`
        select ${sql(`delete_old_${kind}`)}(${DELETE_BATCH}) as deleted`
      deleted = row?.deleted ?? 0
    }
    more ||= deleted === DELETE_BATCH
  }
  return more
}
