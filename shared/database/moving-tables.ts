/** What is known of the tables whose rows move with a tenant, read from the database itself. */
import type { Sql } from 'postgres'
import { MOVING } from './tables.ts'

export interface MovingTable {
  name: string
  /** Those that are copied, as a list: not those that PostgreSQL makes itself. */
  columns: string
  /** Columns of the primary key; none where there is no such key. */
  key: string[]
  /** The other columns. */
  others: string[]
  /** Columns with the number of a transaction, which means something in its own database only: they arrive empty. */
  numbers: string[]
  /** Condition on `t`: rows of the tenant that move. */
  mine: string
  /** Hash of a row `t`. */
  hash: string
}

interface TableRow {
  name: string
  columns: string[]
  numbers: string[] | null
  key: string[] | null
  refers_to: string[] | null
}

/** In `inbox` and `idempotency_keys`, the function that a row is about. */
const FUNCTION_OF: Readonly<Record<string, string>> = {
  inbox: "split_part(t.consumer, '/', 1)",
  idempotency_keys: "split_part(t.endpoint, '.', 1)",
}

/**
 * Reads the tables, those that are referred to first.
 *
 * @param central functions whose rows stay in the pool
 */
export async function readTables(sql: Sql, central: readonly string[]): Promise<MovingTable[]> {
  const rows = await sql<TableRow[]>`
    select c.relname as name,
      (select json_agg(a.attname order by a.attnum) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity = ''
          and a.atttypid <> 'xid8'::regtype) as columns,
      (select json_agg(a.attname) from pg_attribute a
        where a.attrelid = c.oid and not a.attisdropped and not a.attnotnull and a.atttypid = 'xid8'::regtype) as numbers,
      (select json_agg(a.attname) from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey)
        where i.indrelid = c.oid and i.indisprimary) as key,
      (select json_agg(o.confrelid::regclass::text) from pg_constraint o
        where o.conrelid = c.oid and o.contype = 'f' and o.confrelid <> c.oid) as refers_to
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname in ${sql(MOVING)}`
  return inOrder(rows).map((row) => tableOf(row, central))
}

function tableOf({ name, columns, numbers, key }: TableRow, central: readonly string[]): MovingTable {
  const keyed = key ?? []
  const about = FUNCTION_OF[name]
  const moves = about === undefined ? '' : ` and ${about} <> all ('{${central.join(',')}}'::text[])`
  return {
    name,
    columns: columns.join(', '),
    key: keyed,
    others: columns.filter((column) => !keyed.includes(column)),
    numbers: numbers ?? [],
    mine: `t.tenant_id = (select current_tenant())${moves}`,
    hash: `hashtextextended(row(${columns.map((column) => `t.${column}`).join(', ')})::text, 0)`,
  }
}

function inOrder(rows: readonly TableRow[]): TableRow[] {
  const ordered = new Map<string, TableRow>()
  const add = (row: TableRow): void => {
    if (ordered.has(row.name)) return
    for (const other of rows) if (row.refers_to?.includes(other.name) === true) add(other)
    ordered.set(row.name, row)
  }
  rows.forEach(add)
  return [...ordered.values()]
}
