/** Counters and gauges of the hub. */
import type { Registry } from '../../shared/telemetry/metrics.ts'

export interface HubMetrics {
  streamOpened(): void
  /**
   * `ended`: delivered to the end. `left`: the client went. `slow`: the client did not read. `drained`: the hub stops.
   * `revoked`: its credential was.
   */
  streamClosed(how: 'ended' | 'left' | 'slow' | 'drained' | 'revoked'): void
  waited(how: 'in_time' | 'too_long' | 'left'): void
  delivered(): void
}

export function createHubMetrics(registry: Registry, nats: { readonly connected: boolean }): HubMetrics {
  const open = registry.gauge('kgents_hub_open_streams', 'Streams that are open now')
  const closed = registry.counter('kgents_hub_closed_streams_total', 'Streams by how they ended', ['how'])
  const waits = registry.counter('kgents_hub_waits_total', 'Requests with Prefer: wait by outcome', ['how'])
  const events = registry.counter('kgents_hub_events_total', 'Events sent into streams')
  registry.observableGauge('kgents_hub_nats_connected', '1 while NATS is reached', () =>
    Number(nats.connected),
  )
  return {
    streamOpened: () => open.inc(),
    streamClosed(how) {
      open.dec()
      closed.inc({ how })
    },
    waited: (how) => waits.inc({ how }),
    delivered: () => events.inc(),
  }
}
