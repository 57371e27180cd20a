/** What Kong's `prometheus` plugin counts, under the same names, so that one dashboard reads both. */
import { createRegistry } from '../../shared/telemetry/metrics.ts'
import type { Match } from './router.ts'

/** As in Kong. */
const LATENCY_BUCKETS_MS = [25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10_000, 30_000, 60_000]

export interface GatewayMetrics {
  /** Makes the counters of one route. */
  forMatch(match: Match): CountAnswer
  render(): Promise<string>
}

/** Counts one answered request. */
export type CountAnswer = (status: number, milliseconds: number) => void

export function createGatewayMetrics(): GatewayMetrics {
  const registry = createRegistry()
  const requests = registry.counter('kong_http_requests_total', 'Requests by service, route and status', [
    'service',
    'route',
    'code',
  ])
  const latency = registry.histogram(
    'kong_request_latency_ms',
    'Time from the first byte of a request to the last byte of its answer',
    LATENCY_BUCKETS_MS,
    ['service', 'route'],
  )
  return {
    forMatch({ service, route }) {
      const labels = { service: service?.name ?? '', route: route.name }
      return (code, milliseconds) => {
        requests.inc({ ...labels, code })
        latency.observe(labels, milliseconds)
      }
    },
    render: registry.render,
  }
}
