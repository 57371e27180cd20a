/** Everything that the database holds of one tenant, so that a test can tell whether a call changed any of it. */
import type postgres from 'postgres'

/** What a call leaves behind whatever it does: its record, and what was sent. */
const RECORDS = new Set(['marks', 'outbox', 'inbox', 'idempotency_keys'])
/** What is counted of these, some time later. */
const SUMS = /^(usage_|storage_samples$)/

/** A digest of the tenant's rows in each table, but for when keys were used and how many calls were made, by table; tables without rows of it are left out. */
export async function digestTenant(owner: postgres.Sql, tenant: string): Promise<Record<string, string>> {
  const tables = await owner<{ name: string }[]>`
    select c.table_name as name from information_schema.columns c
    join information_schema.tables t using (table_schema, table_name)
    where c.table_schema = 'public' and c.column_name = 'tenant_id' and t.table_type = 'BASE TABLE'
    order by 1`
  const digests: Record<string, string> = {}
  for (const { name } of tables) {
    if (RECORDS.has(name) || SUMS.test(name)) continue
    const [row] = await owner<{ count: number; digest: string }[]>`
      select count(*)::int as count, md5(string_agg(row, '|' order by row)) as digest
      from (select (to_jsonb(r) - 'last_used_at')::text as row, tenant_id from ${owner(name)} r
        where (to_jsonb(r) ->> 'resource') is distinct from 'api_calls') rows where tenant_id = ${tenant}`
    if (row !== undefined && row.count > 0) digests[name] = row.digest
  }
  return digests
}

/** Tables in which two digests differ. */
export function changedTables(before: Record<string, string>, after: Record<string, string>): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].filter((name) => before[name] !== after[name]).sort()
}
