/** Gauges over all tenants, as Prometheus reads them. They come from the database, so they outlive every pod. */
import type { Sql } from 'postgres'
import { findAspect } from '../contract/find-aspect.ts'
import type { FunctionFacts } from '../contract/facts.ts'
import { asFailure } from '../database/database.ts'

/** By name: what it says, and its labels. */
const GAUGES: Record<string, [help: string, ...labels: string[]]> = {
  kgents_invocations_hour: [
    'Invocations in the last hour, by path, category and outcome',
    'path',
    'category',
    'outcome',
  ],
  kgents_jobs_day: ['Jobs of the last day, by status', 'status'],
  kgents_outbox_waiting: ['Events that are not published yet'],
  kgents_outbox_lag_seconds: ['Age of the oldest event that is not published yet'],
}

interface MetricRow {
  name: string
  labels: Record<string, string>
  value: number
}

/** @throws Failure DEPENDENCY_UNAVAILABLE when the database is unavailable */
export async function readPlatformMetrics(sql: Sql, catalog: readonly FunctionFacts[]): Promise<string> {
  const rows = await sql<MetricRow[]>`select name, labels, value from platform_metrics()`.catch(
    (error: unknown) => {
      throw asFailure(error)
    },
  )
  const byName = Map.groupBy(withoutHolons(rows, catalog), ({ name }) => name)
  const { createRegistry } = await import('../telemetry/metrics.ts')
  const registry = createRegistry()
  for (const [name, [help, ...labels]] of Object.entries(GAUGES)) {
    const gauge = registry.gauge(name, help, labels)
    for (const row of byName.get(name) ?? []) gauge.set(row.labels, row.value)
  }
  return registry.render()
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
