/** What the hub tells Prometheus. */
import { createNumbers } from '../metrics.ts'

export interface HubMetrics {
  streamOpened(): void
  /** `ended`: told to the end. `left`: the client went. `slow`: the client did not read. `drained`: the hub stops. */
  streamClosed(how: 'ended' | 'left' | 'slow' | 'drained'): void
  waited(how: 'in_time' | 'too_long' | 'left'): void
  told(): void
  render(connected: boolean): string
}

export function createHubMetrics(): HubMetrics {
  const open = createNumbers('gauge', 'kgents_hub_open_streams', 'Streams that are open now')
  const closed = createNumbers('counter', 'kgents_hub_closed_streams_total', 'Streams by how they ended')
  const waits = createNumbers(
    'counter',
    'kgents_hub_waits_total',
    'Requests with Prefer: wait by what came of them',
  )
  const events = createNumbers('counter', 'kgents_hub_events_total', 'Events sent into streams')
  const nats = createNumbers('gauge', 'kgents_hub_nats_connected', '1 while NATS is reached')
  const openNow = open.of({})
  const sent = events.of({})
  return {
    streamOpened: () => openNow.value++,
    streamClosed(how) {
      openNow.value--
      closed.of({ how }).value++
    },
    waited: (how) => waits.of({ how }).value++,
    told: () => sent.value++,
    render(connected) {
      nats.of({}).value = connected ? 1 : 0
      return [open, closed, waits, events, nats].map((metric) => metric.render()).join('')
    },
  }
}
