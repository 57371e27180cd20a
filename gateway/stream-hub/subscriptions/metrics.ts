/** Counters and gauges of subscriptions. No tenant and no pattern: both are chosen by callers, without end. */
import { DELIVERIES, type Delivery } from '../../../shared/events/subscription.ts'
import type { Registry } from '../../../shared/telemetry/metrics.ts'
import { ageOf, type SubscriberEvent } from './subscriber-event.ts'

export interface SubscriptionMetrics {
  opened(delivery: Delivery): void
  closed(delivery: Delivery): void
  /** @param live whether it was delivered as it happened; how old a replayed event is says nothing */
  delivered(entry: SubscriberEvent, live: boolean): void
  redelivered(): void
  /** `buffer_full`: the client did not read. */
  dropped(reason: 'buffer_full', count: number): void
  dead(): void
}

const LAG_SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60]

export function createSubscriptionMetrics(registry: Registry): SubscriptionMetrics {
  const { counter, gauge, histogram } = registry
  const active = gauge('agentese_subscription_active', 'Subscriptions that are streamed now', ['delivery'])
  for (const delivery of DELIVERIES) active.set({ delivery }, 0)
  const delivered = counter(
    'agentese_subscription_events_delivered_total',
    'Events sent to subscribers, by outcome of the call',
    ['event_type'],
  )
  const dropped = counter(
    'agentese_subscription_events_dropped_total',
    'Events that a subscriber was not sent, by reason',
    ['reason'],
  )
  const redelivered = counter(
    'agentese_subscription_events_redelivered_total',
    'Events sent again because they were not acknowledged',
  )
  const dead = counter(
    'agentese_subscription_events_dead_total',
    'Events dead-lettered because they were never acknowledged',
  )
  const lag = histogram(
    'agentese_subscription_lag_seconds',
    'Time between the creation of an event and its delivery, without replays',
    LAG_SECONDS,
  )
  return {
    opened: (delivery) => active.inc({ delivery }),
    closed: (delivery) => active.dec({ delivery }),
    delivered(entry, live) {
      delivered.inc({ event_type: entry.kind })
      if (live) lag.observe(Math.max(0, ageOf(entry)) / 1000)
    },
    redelivered: () => redelivered.inc(),
    dropped: (reason, count) => dropped.inc({ reason }, count),
    dead: () => dead.inc(),
  }
}
