/** Counters and gauges of the sender of webhooks. */
import type { Registry } from '../../shared/telemetry/metrics.ts'

/** `skipped`: the subscription does not get such an event. */
const OUTCOMES = ['delivered', 'failed', 'dead', 'gone', 'skipped'] as const

export interface WebhookMetrics {
  ended(outcome: (typeof OUTCOMES)[number]): void
  took(seconds: number): void
  inFlight(change: 1 | -1): void
}

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15]

export function createWebhookMetrics(registry: Registry): WebhookMetrics {
  const attempts = registry.counter('kgents_webhook_attempts_total', 'Attempts by outcome', ['outcome'])
  for (const outcome of OUTCOMES) attempts.inc({ outcome }, 0)
  const inFlight = registry.gauge('kgents_webhook_attempts_in_flight', 'Attempts under way')
  const duration = registry.histogram('kgents_webhook_attempt_seconds', 'How long sinks take', SECONDS)
  return {
    ended: (outcome) => attempts.inc({ outcome }),
    took: (seconds) => duration.observe(seconds),
    inFlight: (change) => inFlight.inc(change),
  }
}

/** Adds what the sender itself knows. */
export function observeSender(registry: Registry, sender: { sinks: number; connected: boolean }): void {
  const { observableGauge } = registry
  observableGauge('kgents_webhook_sinks', 'Subscriptions that are delivered', () => sender.sinks)
  observableGauge('kgents_webhook_nats_connected', '1 while NATS is reached', () => Number(sender.connected))
}
