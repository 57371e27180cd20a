/** What the sender of webhooks tells Prometheus. */
import { createHistogram, createNumbers } from '../metrics.ts'

export interface WebhookMetrics {
  /** `skipped`: the subscription is not told of such an event. */
  ended(how: 'delivered' | 'failed' | 'dead' | 'gone' | 'skipped'): void
  took(seconds: number): void
  inFlight(change: 1 | -1): void
  render(sinks: number, connected: boolean): string
}

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15]

export function createWebhookMetrics(): WebhookMetrics {
  const outcomes = createNumbers('counter', 'kgents_webhook_attempts_total', 'Attempts by what came of them')
  const flying = createNumbers('gauge', 'kgents_webhook_attempts_in_flight', 'Attempts under way')
  const sinks = createNumbers('gauge', 'kgents_webhook_sinks', 'Subscriptions that are delivered')
  const nats = createNumbers('gauge', 'kgents_webhook_nats_connected', '1 while NATS is reached')
  const duration = createHistogram('kgents_webhook_attempt_seconds', 'How long sinks take', SECONDS)
  const flyingNow = flying.of({})
  const durations = duration.of({})
  return {
    ended: (outcome) => outcomes.of({ outcome }).value++,
    took: (seconds) => durations.observe(seconds),
    inFlight: (change) => (flyingNow.value += change),
    render(count, connected) {
      sinks.of({}).value = count
      nats.of({}).value = connected ? 1 : 0
      return [outcomes, flying, sinks, nats, duration].map((metric) => metric.render()).join('')
    },
  }
}
