/** What the hub tells Prometheus of subscriptions. No tenant and no pattern: both are chosen by callers, without end. */
import type { Delivery } from '../../../shared/events/subscription.ts'
import { createHistogram, createNumbers } from '../../metrics.ts'
import { ageOf, type ToldEvent } from './told-event.ts'

export interface SubscriptionMetrics {
  opened(delivery: Delivery): void
  closed(delivery: Delivery): void
  /** @param live whether it was told as it happened; how old a replayed event is says nothing */
  delivered(told: ToldEvent, live: boolean): void
  redelivered(): void
  /** `buffer_full`: the client did not read. */
  dropped(reason: 'buffer_full', count: number): void
  dead(): void
  render(): string
}

const LAG_SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60]

export function createSubscriptionMetrics(): SubscriptionMetrics {
  const active = createNumbers('gauge', 'agentese_subscription_active', 'Subscriptions that are streamed now')
  const delivered = createNumbers(
    'counter',
    'agentese_subscription_events_delivered_total',
    'Events sent to subscribers, by what happened',
  )
  const dropped = createNumbers(
    'counter',
    'agentese_subscription_events_dropped_total',
    'Events that a subscriber was not sent, by reason',
  )
  const redelivered = createNumbers(
    'counter',
    'agentese_subscription_events_redelivered_total',
    'Events sent again because they were not acknowledged',
  )
  const dead = createNumbers(
    'counter',
    'agentese_subscription_events_dead_total',
    'Events given up because they were never acknowledged',
  )
  const lag = createHistogram(
    'agentese_subscription_lag_seconds',
    'From the making of an event to its sending, for events told as they happen',
    LAG_SECONDS,
  )
  const lagOfAll = lag.of({})
  return {
    opened: (delivery) => active.of({ delivery }).value++,
    closed: (delivery) => active.of({ delivery }).value--,
    delivered(told, live) {
      delivered.of({ event_type: told.kind }).value++
      if (live) lagOfAll.observe(Math.max(0, ageOf(told)) / 1000)
    },
    redelivered: () => redelivered.of({}).value++,
    dropped: (reason, count) => (dropped.of({ reason }).value += count),
    dead: () => dead.of({}).value++,
    render: () =>
      [active, delivered, dropped, redelivered, dead, lag].map((metric) => metric.render()).join(''),
  }
}
