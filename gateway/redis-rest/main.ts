/** Starts the REST front of Redis. On SIGTERM it finishes what it was asked and ends. */
import { z } from 'zod'
import { LogSettings, Port, readConfig } from '../../shared/config.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { openRedisLink } from './redis-link.ts'
import { createRedisRest } from './server.ts'

const Config = LogSettings.extend({
  PORT: Port.default(8079),
  /** Address to listen on; all of them if absent. */
  HOST: z.string().optional(),
  REDIS_URL: z.url({ protocol: /^rediss?$/ }),
  UPSTASH_REDIS_REST_TOKEN: z.string().min(1),
})

const config = readConfig(Config, process.env)
const log = createLog('redis-rest', config.LOG_LEVEL)
const link = openRedisLink(config.REDIS_URL, log)
const server = createRedisRest(link, config.UPSTASH_REDIS_REST_TOKEN)

await link.tried
server.listen({ port: config.PORT, host: config.HOST }, () =>
  log.info({ address: server.address() }, 'listening'),
)

process.once('SIGTERM', () => {
  server.close(() => link.close())
  server.closeIdleConnections()
})
