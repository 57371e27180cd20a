/** Copies the tenant, its plan and its people into its silo, where jobs, schedules and webhooks refer to them. */
import type { Sql } from 'postgres'

/** In the order in which they refer to each other; the column that names the tenant. */
const COPIED = { tenants: 'id', users: 'tenant_id' } as const

/** What there is of each tenant that has a silo, as a checksum: cheap enough to be asked every second. */
export function sumPeople(pool: Sql): Promise<{ tenant: string; database: string; sum: string }[]> {
  return pool<{ tenant: string; database: string; sum: string }[]>`
    select t.id as tenant, p.database, md5(t::text || coalesce(
      (select string_agg(u::text, '' order by u.id) from users u where u.tenant_id = t.id), '')) as sum
    from placements p join tenants t on t.id = p.tenant_id
    where p.database is not null and (p.lives_in = 'silo' or p.step <> 'create')`
}

/** Both sessions act as `kgents_mover`. */
export async function copyPeople(pool: Sql, silo: Sql, tenant: string): Promise<void> {
  await copyPlan(pool, silo, tenant)
  for (const [table, column] of Object.entries(COPIED)) {
    const [row] = await pool<{ rows: string }[]>`
      select coalesce(json_agg(t), '[]')::text as rows from ${pool(table)} t where t.${pool(column)} = ${tenant}`
    await replaceRows(silo, table, row?.rows ?? '[]')
  }
}

/** A version of a plan never changes, so one that is there stays. */
async function copyPlan(pool: Sql, silo: Sql, tenant: string): Promise<void> {
  const [row] = await pool<{ plan: string }[]>`
    select row_to_json(p)::text as plan from plans p join tenants t on t.tier = p.id and t.plan_version = p.version
    where t.id = ${tenant}`
  if (row === undefined) return
  await silo.unsafe(
    `insert into plans select * from json_populate_record(null::plans, $1::text::json) on conflict do nothing`,
    [row.plan],
  )
}

async function replaceRows(silo: Sql, table: string, rows: string): Promise<void> {
  const [row] = await silo<{ columns: string[] }[]>`
    select json_agg(attname) as columns from pg_attribute
    where attrelid = ${table}::regclass and attnum > 0 and not attisdropped and attgenerated = ''`
  const columns = row?.columns ?? []
  const changed = columns
    .filter((column) => column !== 'id')
    .map((column) => `${column} = excluded.${column}`)
  await silo.unsafe(
    `insert into ${table} (${columns.join(', ')})
     select ${columns.join(', ')} from json_populate_recordset(null::${table}, $1::text::json)
     on conflict (id) do update set ${changed.join(', ')}`,
    [rows],
  )
}
