/** The names of all metrics that our code exports, asked of the code itself. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createGatewayMetrics } from '../../../gateway/local/metrics.ts'
import type { RedisLink } from '../../../gateway/redis-rest/redis-link.ts'
import { createRedisRest } from '../../../gateway/redis-rest/server.ts'
import { createHubMetrics } from '../../../gateway/stream-hub/metrics.ts'
import { createSubscriptionMetrics } from '../../../gateway/stream-hub/subscriptions/metrics.ts'
import { createWebhookMetrics, observeSender } from '../../../gateway/webhooks/metrics.ts'
import { createMetrics as createWorkerMetrics } from '../../../gpu-workers/metrics.ts'
import { createMetrics as createRelayMetrics } from '../../../knative/relay/metrics.ts'
import { createExportMetrics } from '../../../knative/usage-export/metrics.ts'
import { createRegistry } from '../../../shared/telemetry/metrics.ts'

/** Names as queries use them: of a histogram its `_bucket`, `_sum` and `_count`. */
export async function emittedMetrics(): Promise<Set<string>> {
  const registry = createRegistry()
  createHubMetrics(registry, { connected: true })
  createSubscriptionMetrics(registry)
  createWebhookMetrics(registry)
  observeSender(registry, { sinks: 0, connected: true })
  createExportMetrics(registry)
  const texts = await Promise.all([
    registry.render(),
    createGatewayMetrics().render(),
    createRelayMetrics().render(),
    createWorkerMetrics().render(),
    readRedisRest(),
  ])
  return new Set(texts.flatMap(namesIn))
}

async function readRedisRest(): Promise<string> {
  const server = createRedisRest({ connected: true } as RedisLink, 'token')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
  const text = await answer.text()
  server.close()
  return text
}

function namesIn(text: string): string[] {
  return [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
    type === 'histogram' ? ['_bucket', '_sum', '_count'].map((suffix) => name + suffix) : [name],
  )
}
