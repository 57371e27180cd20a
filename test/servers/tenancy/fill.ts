/** Gives a tenant a row in every table of the database, also in tables that nobody had thought of when this was written. */
import type postgres from 'postgres'

interface Column {
  name: string
  type: string
  /** Definitions of the constraints that are about it. */
  checks: string[]
}

const VALUES: Record<string, string> = {
  uuid: 'gen_random_uuid()',
  text: `'x' || left(gen_random_uuid()::text, 8)`,
  'timestamp with time zone': 'now()',
  date: 'current_date',
  boolean: 'false',
  bytea: `decode(replace(gen_random_uuid()::text, '-', ''), 'hex')`,
  jsonb: `'{}'`,
  json: `'{}'`,
  inet: `'192.0.2.1'`,
  tsvector: `''`,
}

/**
 * One row in each table that takes one made up like this; foreign keys and triggers are off meanwhile.
 *
 * @param owner a superuser
 * @returns rows by table
 */
export async function fillTables(owner: postgres.Sql, tenant: string): Promise<Record<string, number>> {
  const tables = await owner<{ name: string }[]>`select name from tenant_tables() order by 1`
  const filled: Record<string, number> = {}
  await owner.begin(async (db) => {
    await db`set local session_replication_role = replica`
    for (const { name } of tables) {
      const columns = await columnsOf(db, name)
      const names = columns.map((column) => `"${column.name}"`).join(', ')
      const values = columns
        .map((column) => (column.name === 'tenant_id' ? `'${tenant}'` : valueOf(column)))
        .join(', ')
      const made = await db
        .savepoint((own) => own.unsafe(`insert into "${name}" (${names}) values (${values})`))
        .catch(() => undefined)
      if (made !== undefined) filled[name] = 1
    }
  })
  return filled
}

/** Those that a row must have. */
function columnsOf(db: postgres.TransactionSql, table: string): Promise<Column[]> {
  return db<Column[]>`
    select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, coalesce((
      select json_agg(pg_get_constraintdef(k.oid)) from pg_constraint k
      where k.conrelid = a.attrelid and k.contype = 'c' and a.attnum = any (k.conkey)), '[]') as checks
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = ${table}::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      and a.attidentity = '' and (a.attname = 'tenant_id' or (a.attnotnull and d.oid is null))`
}

function valueOf({ type, checks }: Column): string {
  const oneOf = checks
    .map((check) => /ARRAY\[('[^']*'::text)/.exec(check)?.[1])
    .find((each) => each !== undefined)
  if (type.endsWith('[]')) return `'{}'`
  if (type === 'text' && oneOf !== undefined) return oneOf
  return VALUES[type] ?? '1'
}
