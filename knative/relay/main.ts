/** Starts the relay: reads the environment, runs until SIGTERM or SIGINT, and exits when all is put down. */
import { readConfig } from '../../shared/config.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { RelayConfig } from './config.ts'
import { createMetrics } from './metrics.ts'
import { runRelay } from './relay.ts'
import { openStatusServer } from './status-server.ts'

const config = readConfig(RelayConfig, process.env)
const log = createLog('relay', config.LOG_LEVEL)
const metrics = createMetrics()
const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())

const server = await openStatusServer(config.PORT, config.HOST, metrics)
log.info({ port: config.PORT, databases: config.RELAY_DATABASE_URLS.length }, 'relay started')
await runRelay(config, log, metrics, stop.signal)
server.close()
log.info('relay stopped')
// A connection that was still being opened would keep the process alive.
process.exit(0)
