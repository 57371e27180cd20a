/** Starts the local gateway: `node gateway/local/main.ts`. SIGTERM lets requests in flight finish. */
import { createServer } from 'node:http'
import { readEnvironment } from '../../shared/config.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { METRICS_HEADERS } from '../../shared/telemetry/metrics.ts'
import { gateway as contract } from '../kong/component.ts'
import { readDeployment } from '../kong/deployment.ts'
import { createResolver } from '../upstream/addresses.ts'
import { createGateway } from './gateway.ts'
import { followFeed } from './pods.ts'

const GRACE_MS = 10_000

const environment = readEnvironment(contract)
const log = createLog(contract.name, environment.LOG_LEVEL)
const gateway = createGateway({
  config: readDeployment(environment),
  resolve: createResolver(environment),
  log,
  samplingRate: environment.TRACES_SAMPLING_RATE,
})
const { live, ready } = contract.health
const status = createServer(async (request, response) => {
  const found = [live, ready, '/metrics'].includes(request.url ?? '')
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
