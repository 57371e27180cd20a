/**
 * Makes the rows of one tenant in one database equal to those in another, by comparing checksums and copying what differs.
 *
 * Tables whose count and sum of hashes are the same on both sides are left alone. The rows of the others are spread over buckets
 * by that hash of all of a row, and buckets are compared likewise. So the first run copies everything, the next ones what has changed since, whatever changed it, and a
 * run that finds no difference has verified all tables. Rows travel as COPY, in PostgreSQL's own text, so that nothing is rounded.
 */
import { pipeline } from 'node:stream/promises'
import type { Sql } from 'postgres'
import { readTables, type MovingTable } from './moving-tables.ts'

/** Rows to a bucket, about; and most buckets of a table. */
const BUCKET_ROWS = 8
const MAX_BUCKETS = 65_536

/** Two sessions of the owner, acting as `kgents_mover` for the tenant (`moveAs`). */
export interface Copying {
  from: Sql
  to: Sql
  /** Functions whose rows of `inbox` and `idempotency_keys` stay in the pool. */
  central: readonly string[]
}

/** Binds a session to a tenant, and to the role that may copy its rows. Amounts and times are written the same on both sides. */
export async function moveAs(sql: Sql, tenant: string): Promise<void> {
  await sql`select set_config('app.current_tenant', ${tenant}, false), set_config('app.central', 'on', false)`
  await sql.unsafe(
    "set timezone = 'UTC'; set extra_float_digits = 3; set statement_timeout = 0; set role kgents_mover",
  )
}

/**
 * Copies what differs, in one transaction of the target.
 *
 * @returns how many rows were written or deleted there; 0 says that both are equal
 */
export async function copyDifferences({ from, to, central }: Copying): Promise<number> {
  const tables = await readTables(from, central)
  await to.unsafe('begin')
  try {
    const [source, target] = await Promise.all([from, to].map((sql) => sumTables(sql, tables)))
    const differing: Difference[] = []
    for (const table of tables) {
      const [here, there] = [source?.get(table.name), target?.get(table.name)]
      if (here?.sum !== there?.sum) differing.push(await stage(from, to, table, here?.rows ?? 0))
    }
    let changed = 0
    // Rows that refer to others go before them, and come after them.
    for (const each of differing.toReversed()) changed += await deleteGone(to, each)
    for (const each of differing) changed += await insertStaged(to, each)
    await to.unsafe('commit')
    return changed
  } catch (error) {
    await to.unsafe('rollback').catch(() => {})
    throw error
  }
}

interface Sum {
  rows: number
  sum: string
}

/** Count and sum of each table that has rows. */
async function sumTables(sql: Sql, tables: readonly MovingTable[]): Promise<Map<string, Sum>> {
  await checkSession(sql)
  const each = tables.map(
    ({ name, mine, hash }) => `
      select '${name}' as name, count(*)::int as rows, count(*) || ' ' || sum(${hash}) as sum from ${name} t where ${mine}`,
  )
  const rows = await sql.unsafe<(Sum & { name: string })[]>(each.join(' union all '))
  return new Map(rows.filter(({ rows }) => rows > 0).map((row) => [row.name, row]))
}

/** A session that is not bound would see no rows, and make the copy as empty. */
async function checkSession(sql: Sql): Promise<void> {
  const [row] = await sql<{ bound: boolean }[]>`
    select current_user = 'kgents_mover' and current_tenant() is not null as bound`
  if (row?.bound !== true) throw new Error('The session is not that of a mover: see moveAs()')
}

/** Deletes all rows of the tenant. */
export async function deleteRows(sql: Sql, central: readonly string[]): Promise<void> {
  await sql.unsafe('begin')
  try {
    const tables = await readTables(sql, central)
    for (const { name, mine } of tables.toReversed()) await sql.unsafe(`delete from ${name} t where ${mine}`)
    await sql.unsafe('commit')
  } catch (error) {
    await sql.unsafe('rollback').catch(() => {})
    throw error
  }
}

interface Difference {
  table: MovingTable
  /** Which rows of either side are in buckets that differ. */
  where: string
}

/** Puts the rows of buckets that differ into a temporary table beside the target. */
async function stage(from: Sql, to: Sql, table: MovingTable, count: number): Promise<Difference> {
  const wanted = Math.min(MAX_BUCKETS, Math.max(1, count / BUCKET_ROWS))
  const mask = 2 ** Math.ceil(Math.log2(wanted)) - 1
  const [source, target] = await Promise.all([sumBuckets(from, table, mask), sumBuckets(to, table, mask)])
  const buckets = [...new Set([...source.keys(), ...target.keys()])]
  const differing = buckets.filter((bucket) => source.get(bucket) !== target.get(bucket))
  const { name, columns, mine, hash } = table
  const some = differing.length < buckets.length
  const where = some ? `${mine} and (${hash} & ${mask}) = any ('{${differing.join(',')}}'::bigint[])` : mine
  // A table of its own, since COPY does not go into one with row-level security; made by the owner, whom it belongs to.
  await to.unsafe(`
    reset role;
    create temporary table staged_${name} on commit drop as select ${columns} from ${name} with no data;
    grant select on staged_${name} to kgents_mover;`)
  const rows = await from
    .unsafe(`copy (select ${columns} from ${name} t where ${where}) to stdout`)
    .readable()
  const into = await to.unsafe(`copy staged_${name} (${columns}) from stdin`).writable()
  await pipeline(rows, into)
  // The driver pauses its socket when the stream is full, and resumes it when more is read: not so where the last of it was there.
  rows._read(0)
  await to.unsafe('set role kgents_mover')
  return { table, where }
}

/** Count and sum of each bucket that has rows. */
async function sumBuckets(
  sql: Sql,
  { name, mine, hash }: MovingTable,
  mask: number,
): Promise<Map<string, string>> {
  const rows = await sql.unsafe<{ bucket: string; sum: string }[]>(`
    select (h & ${mask})::text as bucket, count(*) || ' ' || sum(h) as sum
    from (select ${hash} as h from ${name} t where ${mine}) hashed group by 1`)
  return new Map(rows.map(({ bucket, sum }) => [bucket, sum]))
}

async function deleteGone(to: Sql, { table, where }: Difference): Promise<number> {
  const { name, key } = table
  const kept = key.map((column) => `s.${column} = t.${column}`).join(' and ')
  const gone = key.length === 0 ? '' : ` and not exists (select from staged_${name} s where ${kept})`
  const { count } = await to.unsafe(`delete from ${name} t where ${where}${gone}`)
  return count
}

async function insertStaged(to: Sql, { table }: Difference): Promise<number> {
  const { name, columns, key, others, numbers, hash } = table
  const replaced = others.map((column) => `${column} = excluded.${column}`).join(', ')
  const same = `${hash} = ${hash.replaceAll('t.', 'excluded.')}`
  const update = replaced === '' ? 'nothing' : `update set ${replaced} where not (${same})`
  const known = key.length === 0 ? '' : ` on conflict (${key.join(', ')}) do ${update}`
  const into = [columns, ...numbers].join(', ')
  const values = [columns, ...numbers.map(() => 'null')].join(', ')
  const { count } = await to.unsafe(
    `insert into ${name} as t (${into}) select ${values} from staged_${name}${known}`,
  )
  return count
}
