/** What Kong's `prometheus` plugin counts, under the same names, so that one dashboard reads both. */
import { createHistogram, createNumbers, type Cell, type Distribution } from '../metrics.ts'
import type { Match } from './router.ts'

/** As in Kong. */
const LATENCY_BOUNDS_MS = [25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10_000, 30_000, 60_000]

export interface GatewayMetrics {
  /** Makes the counters of one route. */
  forMatch(match: Match): CountAnswer
  render(): string
}

/** Counts one answered request. */
export type CountAnswer = (status: number, milliseconds: number) => void

export function createGatewayMetrics(): GatewayMetrics {
  const requests = createNumbers(
    'counter',
    'kong_http_requests_total',
    'Requests by service, route and status',
  )
  const latency = createHistogram(
    'kong_request_latency_ms',
    'Time from the first byte of a request to the last byte of its answer',
    LATENCY_BOUNDS_MS,
  )
  return {
    forMatch({ service, route }) {
      const labels = { service: service?.name ?? '', route: route.name }
      const byStatus = new Map<number, Cell>()
      let durations: Distribution | undefined
      return (status, milliseconds) => {
        let cell = byStatus.get(status)
        if (cell === undefined) {
          cell = requests.of({ ...labels, code: String(status) })
          byStatus.set(status, cell)
        }
        cell.value++
        durations ??= latency.of(labels)
        durations.observe(milliseconds)
      }
    },
    render: () => requests.render() + latency.render(),
  }
}
