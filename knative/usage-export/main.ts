/** Starts the export of usage: `node knative/usage-export/main.ts`. SIGTERM ends it after the request that is under way. */
import postgres from 'postgres'
import { readEnvironment } from '../../shared/config.ts'
import { openStatusServer } from '../../shared/http/status.ts'
import { pause } from '../../shared/pause.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { createRegistry } from '../../shared/telemetry/metrics.ts'
import { openClickHouse } from '../../shared/traces/clickhouse.ts'
import { usageExport } from './component.ts'
import { destinationsOf } from './destinations.ts'
import { declareTargets, runExporter } from './exporter.ts'
import { createExportMetrics } from './metrics.ts'
import { forgetTraceExport, runTraceExport } from './traces.ts'

const RETRY_MS = 2000

const environment = readEnvironment(usageExport)
const log = createLog(usageExport.name, environment.LOG_LEVEL)
const registry = createRegistry()
const metrics = createExportMetrics(registry)
const destinations = destinationsOf(environment)
const { CLICKHOUSE_URL } = environment
const clickHouse = CLICKHOUSE_URL === undefined ? undefined : openClickHouse(CLICKHOUSE_URL)
const closing = new AbortController()
const { signal } = closing

async function exportAll(url: string): Promise<void> {
  const { host, pathname } = new URL(url)
  const database = `${host}${pathname}`
  const sql = postgres(url, { max: 2, connect_timeout: 3, fetch_types: false, onnotice: () => {} })
  const names = destinations.map(({ service }) => service.name)
  for (let isDeclared = false; !isDeclared && !signal.aborted;) {
    try {
      await declareTargets(sql, names)
      if (clickHouse === undefined) await forgetTraceExport(sql)
      isDeclared = true
    } catch (error) {
      log.warn({ err: error, database }, 'the database is not reached')
      await pause(RETRY_MS, signal)
    }
  }
  const running = destinations.map((to) => runExporter({ sql, database, to, metrics, log, signal }))
  if (clickHouse !== undefined) running.push(runTraceExport({ sql, database, to: clickHouse, log, signal }))
  await Promise.all(running)
  if (running.length > 0) await sql.end({ timeout: 1 })
}

const running = environment.EXPORTER_DATABASE_URLS.map(exportAll)
const server = await openStatusServer(environment, {
  dependencies: () => ({}),
  metrics: () => registry.render(),
})
log.info(
  { address: server.address(), services: destinations.length, traces: clickHouse !== undefined },
  'the export of usage runs',
)

process.once('SIGTERM', () => {
  closing.abort()
  server.close()
  void Promise.all(running).then(() => process.exit(0))
})
