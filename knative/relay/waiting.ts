/**
 * What waits in one database, read in one query: events to publish and jobs to admit.
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

export interface Waiting {
  events: OutboxRow[]
  jobs: JobRow[]
  outlook: Outlook
}

/** A position in the outbox. To read from there steps over the dead index entries of what is done with. */
export type Cursor = Pick<OutboxRow, 'xid' | 'seq'>

export const BEGINNING: Cursor = { xid: '0', seq: '0' }

/** How much is read at once. */
export interface Limits {
  events: number
  jobs: number
}

/** Each row is an event, a job, or the outlook; the columns of the others are null. */
type Row = OutboxRow & JobRow & { outlook: Outlook }

export async function readWaiting(sql: Sql, cursor: Cursor, limits: Limits): Promise<Waiting> {
  const rows = await sql<Row[]>`
    select seq, xid::text as xid, to_json(subjects) as subjects, event,
      null::uuid as id, null::uuid as tenant_id, null as message, null as outlook
    from (
      select seq, xid, subjects, event from outbox
      where published_at is null and (xid, seq) > (${cursor.xid}::xid8, ${cursor.seq}::bigint)
        and xid < pg_snapshot_xmin(pg_current_snapshot())
      order by outbox.xid, outbox.seq limit ${limits.events}
    ) events
    union all
    select null, null, null, null, id, tenant_id, message, null
    from (
      select id, tenant_id, message from jobs
      where admitted_at is null and status = 'queued' and xid < pg_snapshot_xmin(pg_current_snapshot())
      order by xid, seq limit ${limits.jobs}
    ) jobs
    union all
    select null, null, null, null, null, null, null, case
      -- The age of an id is its distance from the next one: none has been given out that is not seen to have ended.
      when age(oldest::xid) = 0 then 'quiet'
      when (select true from outbox where published_at is null and xid >= oldest order by xid, seq limit 1)
        or (select true from jobs where admitted_at is null and status = 'queued' and xid >= oldest
          order by xid, seq limit 1)
        then 'held'
      else 'writing' end
    from pg_snapshot_xmin(pg_current_snapshot()) as oldest`
  return {
    events: rows.filter((row) => row.seq !== null),
    jobs: rows.filter((row) => row.id !== null),
    outlook: rows.find((row) => row.outlook !== null)?.outlook ?? 'writing',
  }
}
