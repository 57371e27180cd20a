/** Starts the REST front of Redis. On SIGTERM it finishes the requests under way and ends. */
import { readEnvironment } from '../../shared/config.ts'
import { closeServer, OPEN_MS } from '../../shared/http/close-server.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { redisRest } from './component.ts'
import { openRedisLink } from './redis-link.ts'
import { createRedisRest } from './server.ts'

const config = readEnvironment(redisRest)
const log = createLog(redisRest.name, config.LOG_LEVEL)
const link = openRedisLink(config.REDIS_URL, log)
const server = createRedisRest(link, config.UPSTASH_REDIS_REST_TOKEN)

await link.tried
server.listen({ port: config.PORT, host: config.HOST }, () =>
  log.info({ address: server.address() }, 'listening'),
)

process.once('SIGTERM', () => {
  void closeServer(server, OPEN_MS).then(() => link.close())
})
