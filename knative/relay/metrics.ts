/** Counters and gauges of the relay. */
import type { KgentsEvent } from '../../shared/events/event.ts'
import { createRegistry, type Counter, type Gauge } from '../../shared/telemetry/metrics.ts'
import type { Tier } from '../../shared/plans/tiers.ts'
import { createInvocationMetrics } from './invocation-metrics.ts'

const COUNTERS = {
  relay_published_total: ['Events acknowledged by JetStream'],
  relay_set_aside_total: ['Outbox rows that can never be published; published_at is infinity'],
  relay_admitted_total: ['Jobs handed to INFERENCE'],
  relay_forwarded_total: ['Events that the Broker accepted'],
  relay_forward_retries_total: ['Events that the Broker did not accept and that are sent again'],
  relay_forward_rejected_total: ['Events that the Broker refused for good'],
  relay_dead_letters_total: ['Jobs that failed after their last delivery'],
  relay_ticks_total: ['Functions that were woken because something was due'],
  relay_tenants_erased_total: ['Tenants that were erased, 30 days after their deletion'],
  kgents_stripe_webhooks_received_total: ['Deliveries of the payment provider', 'database'],
  kgents_stripe_webhooks_processed_total: ['Those that were taken', 'database'],
  kgents_stripe_webhooks_errors_total: ['Those that were refused or failed', 'database'],
  relay_wakes_total: ['Times the relay woke from sleep, by what woke it', 'by'],
} as const satisfies Record<string, Description>

const GAUGES = {
  relay_lag_seconds: ['Age of the oldest event that is not published', 'database'],
  relay_jobs_waiting: ['Jobs that wait for admission', 'database', 'tier'],
  relay_jobs_unfinished: [
    'Jobs in INFERENCE, and those that wait where this relay leads; take the maximum of all relays',
  ],
  kgents_metering_lag_seconds: ['Age of the oldest call or charge that is not counted', 'database'],
  kgents_metering_discrepancies: ['Days of tenants in which ledger and sums differ', 'database'],
  relay_webhook_subscriptions: ['Subscriptions that have a consumer'],
  relay_leading: ['Whether this relay drains the database', 'database'],
  relay_nats_connected: ['Whether NATS is reached'],
} as const satisfies Record<string, Description>

const WAIT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800]

type Description = readonly [help: string, ...labels: string[]]
type Labels = Record<string, string>

export interface Metrics {
  /** Counts what an event that was published reports. */
  published(event: KgentsEvent): void
  add(name: keyof typeof COUNTERS, amount?: number, labels?: Labels): void
  /** Counts how long a job waited for its admission. */
  waited(tier: Tier, seconds: number): void
  set(name: keyof typeof GAUGES, value: number, labels?: Labels): void
  /** Reports no value any more, where it is not known or another relay knows it. */
  remove(name: keyof typeof GAUGES, labels?: Labels): void
  /** The sum over all labels. */
  total(name: keyof typeof GAUGES): Promise<number>
  render(): Promise<string>
}

export function createMetrics(): Metrics {
  const registry = createRegistry()
  const { counter, gauge, render } = registry
  const counters = each(COUNTERS, (name, help, labels): Counter => counter(name, help, labels))
  const gauges = each(GAUGES, (name, help, labels): Gauge => gauge(name, help, labels))
  const waits = registry.histogram(
    'relay_queue_wait_seconds',
    'Time that jobs waited for admission',
    WAIT_SECONDS,
    ['tier'],
  )
  return {
    published: createInvocationMetrics(registry),
    add: (name, amount = 1, labels = {}) => counters[name].inc(labels, amount),
    waited: (tier, seconds) => waits.observe({ tier }, Math.max(0, seconds)),
    set: (name, value, labels = {}) => gauges[name].set(labels, value),
    remove: (name, labels = {}) => gauges[name].remove(labels),
    async total(name) {
      const { values } = await gauges[name].get()
      return values.reduce((sum, { value }) => sum + value, 0)
    },
    render,
  }
}

function each<Name extends string, Metric>(
  table: Readonly<Record<Name, Description>>,
  create: (name: Name, help: string, labels: string[]) => Metric,
): Record<Name, Metric> {
  const names = Object.keys(table) as Name[]
  return Object.fromEntries(
    names.map((name) => {
      const [help, ...labels] = table[name]
      return [name, create(name, help, labels)]
    }),
  ) as Record<Name, Metric>
}
