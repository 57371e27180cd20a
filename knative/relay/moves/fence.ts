/** What a database refuses of a tenant while it moves: one row, which PostgreSQL checks for every statement of the tenant. */
import { setTimeout } from 'node:timers/promises'
import type { Sql } from 'postgres'

/** As in `refuse_moved()`. */
const TENANT_LOCK = 7_264_033
const WATCH_LOCK = 7_264_036
/** A fence ends by itself after so long, whatever has become of who raised it. */
const FENCE_SECONDS = 20
const POLL_MS = 20

/** Sessions are those of `moveAs`: bound to the tenant, as `kgents_mover`. */
export async function watch(sql: Sql, tenant: string, refuses: 'nothing' | 'all'): Promise<void> {
  if (refuses === 'all') {
    await sql`
      insert into moved_tenants (tenant_id, refuses, until) values (${tenant}, 'all', 'infinity')
      on conflict (tenant_id) do update set refuses = 'all', until = 'infinity'`
  } else await sql`insert into moved_tenants (tenant_id) values (${tenant}) on conflict do nothing`
  await updateWatched(sql)
}

/** Serves the tenant here, as if it had never moved. */
export async function open(sql: Sql, tenant: string): Promise<void> {
  await sql`delete from moved_tenants where tenant_id = ${tenant}`
  await updateWatched(sql)
}

/** Waits until no transaction is left that began before, and so may not know yet whom to ask about. */
export async function untilNoticed(sql: Sql): Promise<void> {
  const running = () => sql<{ id: string }[]>`
    select l.virtualtransaction as id from pg_locks l join pg_stat_activity a using (pid)
    where l.locktype = 'virtualxid' and a.datname = current_database() and a.usename = 'kgents_app'`
  const before = new Set((await running()).map(({ id }) => id))
  while (before.size > 0) {
    await setTimeout(POLL_MS)
    const still = new Set((await running()).map(({ id }) => id))
    for (const id of before) if (!still.has(id)) before.delete(id)
  }
}

/** Refuses writes of the tenant for some seconds, and waits for those under way. */
export async function raise(sql: Sql, tenant: string): Promise<void> {
  await sql`
    update moved_tenants set refuses = 'writes', until = clock_timestamp() + make_interval(secs => ${FENCE_SECONDS})
    where tenant_id = ${tenant}`
  await alone(sql, tenant, async () => {})
}

export async function lower(sql: Sql, tenant: string): Promise<void> {
  await sql`update moved_tenants set until = '-infinity' where tenant_id = ${tenant} and refuses = 'writes'`
}

/**
 * Refuses everything of the tenant from now on, where the fence still stands: then nothing was written since it was raised.
 *
 * @returns whether it did, now or before
 */
export async function close(sql: Sql, tenant: string): Promise<boolean> {
  return alone(sql, tenant, async () => {
    const closed = await sql`
      update moved_tenants set refuses = 'all', until = 'infinity'
      where tenant_id = ${tenant} and (refuses = 'all' or until > clock_timestamp()) returning tenant_id`
    return closed.length > 0
  })
}

/** Runs `work` in a transaction in which nobody else writes for the tenant here. */
async function alone<T>(sql: Sql, tenant: string, work: () => Promise<T>): Promise<T> {
  await sql.unsafe("begin; set local lock_timeout = '5s'")
  try {
    await sql`select pg_advisory_xact_lock(${TENANT_LOCK}, hashtext(${tenant}))`
    const result = await work()
    await sql.unsafe('commit')
    return result
  } catch (error) {
    await sql.unsafe('rollback').catch(() => {})
    throw error
  }
}

async function updateWatched(sql: Sql): Promise<void> {
  await sql.unsafe('begin')
  try {
    await sql`select pg_advisory_xact_lock(${WATCH_LOCK})`
    const rows = await sql<{ id: string }[]>`select tenant_id as id from moved_tenants`
    await sql.unsafe('set local role none')
    await sql.unsafe(`call watch_tenants('{${rows.map(({ id }) => id).join(',')}}')`)
    await sql.unsafe('commit')
  } catch (error) {
    await sql.unsafe('rollback').catch(() => {})
    throw error
  }
}
