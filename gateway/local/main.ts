/** Starts the local gateway: `node gateway/local/main.ts`. SIGTERM lets requests in flight finish. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { parse } from 'yaml'
import { z } from 'zod'
import { json, LogSettings, Port, readConfig } from '../../shared/config.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { METRICS_HEADERS } from '../../shared/telemetry/metrics.ts'
import { deployKongConfig, PublicKeys } from '../kong/deployment.ts'
import type { KongConfig } from '../kong/types.ts'
import { AddressSettings, createResolver } from '../upstream/addresses.ts'
import { createGateway } from './gateway.ts'
import { followFeed } from './pods.ts'

const Environment = z.object({
  ...LogSettings.shape,
  ...AddressSettings.shape,
  PORT: Port,
  /** Address to listen on; absent is all of them. */
  HOST: z.string().optional(),
  /** Metrics and readiness, as on Kong's status port. */
  STATUS_PORT: Port.default(8100),
  KONG_CONFIG: z.string().default(new URL('../kong/kong.yaml', import.meta.url).pathname),
  PLATFORM_JWKS: json(PublicKeys),
})

const GRACE_MS = 10_000

const environment = readConfig(Environment, process.env)
const log = createLog('gateway', environment.LOG_LEVEL)
const config = parse(readFileSync(environment.KONG_CONFIG, 'utf8')) as KongConfig
const gateway = createGateway({
  config: deployKongConfig(config, { keys: environment.PLATFORM_JWKS }),
  resolve: createResolver(environment),
  log,
})
const status = createServer(async (request, response) => {
  const found = request.url === '/metrics' || request.url === '/status/ready'
  const text = request.url === '/metrics' ? await gateway.renderMetrics() : ''
  response.writeHead(found ? 200 : 404, METRICS_HEADERS).end(text)
})

gateway.server.listen({ port: environment.PORT, host: environment.HOST }, () =>
  log.info({ address: gateway.server.address() }, 'the gateway listens'),
)
status.listen({ port: environment.STATUS_PORT, host: environment.HOST })

const stopping = new AbortController()
if (environment.CLUSTER_INGRESS !== undefined) {
  void followFeed(environment.CLUSTER_INGRESS, gateway.pods, log, stopping.signal)
}

process.once('SIGTERM', () => {
  log.info('the gateway drains')
  stopping.abort()
  status.close()
  void gateway.drain(GRACE_MS).then(() => process.exit(0))
})
