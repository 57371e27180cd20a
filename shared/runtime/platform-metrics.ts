/** Counts over all tenants in the Prometheus text format. They come from the database, so they outlive every pod. */
import type { Sql } from 'postgres'
import { findAspect } from '../contract/find-aspect.ts'
import type { FunctionFacts } from '../contract/facts.ts'
import { asFailure } from '../database/database.ts'

const HELP: Record<string, string> = {
  kgents_invocations_hour: 'Invocations in the last hour, by path, category and outcome',
  kgents_jobs_day: 'Jobs of the last day, by status',
  kgents_outbox_waiting: 'Events that are not published yet',
  kgents_outbox_lag_seconds: 'Age of the oldest event that is not published yet',
}

interface MetricRow {
  name: string
  labels: Record<string, string>
  value: number
}

/** @throws Failure DEPENDENCY_UNAVAILABLE when the database is away */
export async function readPlatformMetrics(sql: Sql, catalog: readonly FunctionFacts[]): Promise<string> {
  const rows = await sql<MetricRow[]>`select name, labels, value from platform_metrics()`.catch(
    (error: unknown) => {
      throw asFailure(error)
    },
  )
  const byName = Map.groupBy(withoutHolons(rows, catalog), ({ name }) => name)
  return Object.entries(HELP)
    .map(
      ([name, help]) =>
        `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${(byName.get(name) ?? []).map(format).join('')}`,
    )
    .join('')
}

/** Anybody may read these, so the names that tenants give to holons of their own are counted under the node's. */
function withoutHolons(rows: readonly MetricRow[], catalog: readonly FunctionFacts[]): MetricRow[] {
  const named = rows.map(({ labels, ...rest }) => {
    const { path } = labels
    return path === undefined
      ? { labels, ...rest }
      : { labels: { ...labels, path: findAspect(catalog, path)?.endpoint.aspect.path ?? 'other' }, ...rest }
  })
  const groups = Map.groupBy(named, ({ name, labels }) => JSON.stringify([name, labels]))
  return [...groups.values()].flatMap((group) => {
    const value = group.reduce((sum, row) => sum + row.value, 0)
    return group.slice(0, 1).map((row) => ({ ...row, value }))
  })
}

function format({ name, labels, value }: MetricRow): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text}"`)
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`
}
