/** What the relay reads of the jobs that wait in one database. Indexes serve each of these, however many jobs wait. */
import type { Sql } from 'postgres'
import type { JobRow } from '../waiting.ts'

/** A tenant that has jobs that wait. */
export interface WaitingTenant {
  tenant_id: string
  tier: string | null
}

/** A job at the front of its tenant's queue. */
export interface JobHead {
  id: string
  tenant_id: string
  /** As estimated; at least 1. */
  tokens: number
  waited_seconds: number
}

/** An admitted job that has not ended. */
export interface RunningJob extends WaitingTenant {
  id: string
  tokens: number
}

/** All tenants with jobs that wait: one step into the index for each, not one for each job. */
export function readWaitingTenants(sql: Sql): Promise<WaitingTenant[]> {
  return sql<WaitingTenant[]>`
    with recursive waiting as (
      (select tenant_id from jobs where admitted_at is null and status = 'queued' order by tenant_id limit 1)
      union all
      select (select j.tenant_id from jobs j where j.admitted_at is null and j.status = 'queued' and j.tenant_id > w.tenant_id
        order by j.tenant_id limit 1)
      from waiting w where w.tenant_id is not null
    )
    select w.tenant_id, t.tier from waiting w left join tenants t on t.id = w.tenant_id
    where w.tenant_id is not null order by w.tenant_id`
}

/**
 * The first `most` jobs of each of these tenants: by the priority that it gave them, then first come first served. A job
 * whose deadline has passed is none of them.
 */
export function readHeads(sql: Sql, tenants: readonly string[], most: number): Promise<JobHead[]> {
  return sql<JobHead[]>`
    select h.* from unnest(${listOf(tenants)}::uuid[]) as t (tenant_id) cross join lateral (
      select id, tenant_id, greatest(1, estimate) as tokens, extract(epoch from now() - created_at)::float8 as waited_seconds
      from jobs j where j.tenant_id = t.tenant_id and admitted_at is null and status = 'queued'
        and xid < pg_snapshot_xmin(pg_current_snapshot()) and (deadline is null or deadline > now())
      order by priority desc, j.xid, j.seq limit ${most}
    ) h`
}

/** The messages of jobs that still wait, in the order of `ids`. */
export async function readMessages(sql: Sql, ids: readonly string[]): Promise<JobRow[]> {
  const rows = await sql<JobRow[]>`
    select id, tenant_id, message from jobs
    where id = any(${listOf(ids)}::uuid[]) and admitted_at is null and status = 'queued'`
  return rows.toSorted((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id))
}

/** Jobs whose deadline has passed while they waited. */
export function readOverdue(sql: Sql, most: number): Promise<(JobRow & { deadline: string })[]> {
  return sql<(JobRow & { deadline: string })[]>`
    select id, tenant_id, message, to_json(deadline) #>> '{}' as deadline from jobs
    where deadline <= now() and admitted_at is null and status = 'queued' order by deadline limit ${most}`
}

/** Admitted jobs that have not ended, such as those of a relay that led before. */
export function readRunning(sql: Sql): Promise<RunningJob[]> {
  return sql<RunningJob[]>`
    select j.id, j.tenant_id, greatest(1, j.estimate) as tokens, t.tier
    from jobs j left join tenants t on t.id = j.tenant_id
    where j.admitted_at < 'infinity' and j.status in ('queued', 'running')`
}

export async function markAdmitted(sql: Sql, ids: readonly string[], at: 'now' | 'infinity'): Promise<void> {
  await sql`update jobs set admitted_at = ${at}::text::timestamptz where id = any(${listOf(ids)}::uuid[])`
}

/** As a literal, because the driver would first ask the server how to write an array. */
function listOf(ids: readonly string[]): string {
  return `{${ids.join(',')}}`
}
