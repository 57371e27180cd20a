/** Starts the relay: reads the environment, runs until SIGTERM or SIGINT, and exits when all is put down. */
import { readEnvironment } from '../../shared/config.ts'
import { openStatusServer } from '../../shared/http/status.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { relay } from './component.ts'
import { createMetrics } from './metrics.ts'
import { runRelay } from './relay.ts'

const config = readEnvironment(relay)
const log = createLog(relay.name, config.LOG_LEVEL)
const metrics = createMetrics()
const reached: Record<string, boolean> = { nats: false }
const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())

const server = await openStatusServer(config, {
  dependencies: () => reached,
  metrics: () => metrics.render(),
})
log.info({ port: config.PORT, databases: config.RELAY_DATABASE_URLS.length }, 'relay started')
await runRelay(config, log, metrics, stop.signal, reached)
server.close()
log.info('relay stopped')
// A connection that was still being opened would keep the process alive.
process.exit(0)
