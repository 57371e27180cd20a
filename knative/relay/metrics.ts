/** Counters and gauges of the relay, in the text format of Prometheus. */

interface Series {
  kind: 'counter' | 'gauge'
  help: string
  /** Value by rendered labels, such as `{database="..."}`. */
  values: Map<string, number>
}

const SERIES = {
  relay_published_total: ['counter', 'Events acknowledged by JetStream'],
  relay_set_aside_total: ['counter', 'Outbox rows that can never be published; published_at is infinity'],
  relay_admitted_total: ['counter', 'Jobs handed to INFERENCE'],
  relay_forwarded_total: ['counter', 'Events that the Broker accepted'],
  relay_forward_retries_total: ['counter', 'Events that the Broker did not accept and that are sent again'],
  relay_forward_rejected_total: ['counter', 'Events that the Broker refused for good'],
  relay_dead_letters_total: ['counter', 'Jobs that failed after their last delivery'],
  relay_wakes_total: ['counter', 'Times the relay woke from sleep, by what woke it'],
  relay_lag_seconds: ['gauge', 'Age of the oldest event that is not published'],
  relay_jobs_waiting: ['gauge', 'Jobs that wait for admission'],
  relay_webhook_subscriptions: ['gauge', 'Subscriptions that have a consumer'],
  relay_leading: ['gauge', 'Whether this relay drains the database'],
  relay_nats_connected: ['gauge', 'Whether NATS is reached'],
} as const satisfies Record<string, readonly [Series['kind'], string]>

export type MetricName = keyof typeof SERIES
export type Labels = Record<string, string>

export interface Metrics {
  add(name: MetricName, amount?: number, labels?: Labels): void
  set(name: MetricName, value: number, labels?: Labels): void
  render(): string
}

export function createMetrics(): Metrics {
  const values = new Map<MetricName, Map<string, number>>()
  const seriesOf = (name: MetricName) => {
    const found = values.get(name) ?? new Map<string, number>()
    values.set(name, found)
    return found
  }
  return {
    add(name, amount = 1, labels = {}) {
      const series = seriesOf(name)
      const key = renderLabels(labels)
      series.set(key, (series.get(key) ?? 0) + amount)
    },
    set(name, value, labels = {}) {
      seriesOf(name).set(renderLabels(labels), value)
    },
    render() {
      const lines = (Object.keys(SERIES) as MetricName[]).flatMap((name) => {
        const [kind, help] = SERIES[name]
        const samples = [...(values.get(name) ?? [])].map(([labels, value]) => `${name}${labels} ${value}`)
        return samples.length === 0 ? [] : [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`, ...samples]
      })
      return `${lines.join('\n')}\n`
    },
  }
}

function renderLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}
