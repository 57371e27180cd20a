/**
 * What waits in one database, read in one query: events to publish, and tenants with jobs to admit.
 *
 * Row ids are not commit order: a transaction that began earlier may commit later. So rows are read in the order
 * (xid, seq) and only below the oldest transaction that still runs; no row overtakes one of an older transaction.
 */
import type { Sql } from 'postgres'

export interface OutboxRow {
  seq: string
  xid: string
  subjects: string[]
  event: string
}

export interface JobRow {
  id: string
  tenant_id: string
  message: string
}

/**
 * What may still come. `held`: rows wait for an older transaction to end. `writing`: a transaction runs that may have
 * inserted rows which nobody else sees yet. `quiet`: neither, so every later row is inserted after this read.
 */
export type Outlook = 'held' | 'writing' | 'quiet'

/** A job that has come since it was last asked, and the tier of its tenant. */
export interface Arrival {
  seq: string
  xid: string
  tenant_id: string
  tier: string | null
}

export interface Waiting {
  events: OutboxRow[]
  arrived: Arrival[]
  outlook: Outlook
}

/** A position in the outbox. To read from there steps over the dead index entries of what is done with. */
export type Cursor = Pick<OutboxRow, 'xid' | 'seq'>

export const BEGINNING: Cursor = { xid: '0', seq: '0' }

/** How far outbox and jobs have been read. */
export interface Cursors {
  outbox: Cursor
  arrivals: Cursor
}

/** How much is read at once. */
const MAX_EVENTS = 500
const MAX_ARRIVALS = 2000

/** Each row is an event, an arrival, or the outlook; the columns of the others are null. */
type Row = OutboxRow & Arrival & { outlook: Outlook }

export async function readWaiting(sql: Sql, { outbox, arrivals }: Cursors): Promise<Waiting> {
  const rows = await sql<Row[]>`
    select seq, xid::text as xid, to_json(subjects) as subjects, event,
      null::uuid as tenant_id, null as tier, null as outlook
    from (
      select seq, xid, subjects, event from outbox
      where published_at is null and (xid, seq) > (${outbox.xid}::xid8, ${outbox.seq}::bigint)
        and xid < pg_snapshot_xmin(pg_current_snapshot())
      order by outbox.xid, outbox.seq limit ${MAX_EVENTS}
    ) events
    union all
    select seq, xid::text, null, null, tenant_id, (select tier from tenants where id = tenant_id), null
    from (
      select seq, xid, tenant_id from jobs
      where admitted_at is null and status = 'queued' and (xid, seq) > (${arrivals.xid}::xid8, ${arrivals.seq}::bigint)
        and xid < pg_snapshot_xmin(pg_current_snapshot())
      order by jobs.xid, jobs.seq limit ${MAX_ARRIVALS}
    ) arrived
    union all
    select null, null, null, null, null, null, case
      -- The age of an id is its distance from the next one: none has been given out that is not seen to have ended.
      when age(oldest::xid) = 0 then 'quiet'
      when (select true from outbox where published_at is null and xid >= oldest order by xid, seq limit 1)
        or (select true from jobs where admitted_at is null and status = 'queued' and xid >= oldest
          order by xid, seq limit 1)
        then 'held'
      else 'writing' end
    from pg_snapshot_xmin(pg_current_snapshot()) as oldest`
  return {
    events: rows.filter((row) => row.event !== null),
    arrived: rows.filter((row) => row.tenant_id !== null),
    outlook: rows.find((row) => row.outlook !== null)?.outlook ?? 'writing',
  }
}
