/** Counts of the deliveries of the payment provider, which functions write into the database: nothing reads a function's metrics. */
import type { Sql } from 'postgres'
import type { Metrics } from './metrics.ts'

const NAMES = {
  received: 'kgents_stripe_webhooks_received_total',
  processed: 'kgents_stripe_webhooks_processed_total',
  errors: 'kgents_stripe_webhooks_errors_total',
} as const

/** Makes what adds to the counters what was counted since it was last called. */
export function createStripeCounts(sql: Sql, metrics: Metrics, database: string): () => Promise<void> {
  const known = new Map<string, number>()
  return async () => {
    const rows = await sql<
      { outcome: string; count: string }[]
    >`select outcome, count from stripe_webhook_counts()`
    const counts = new Map(rows.map(({ outcome, count }) => [outcome, Number(count)]))
    for (const [outcome, name] of Object.entries(NAMES)) {
      const count = counts.get(outcome) ?? 0
      metrics.add(name, count - (known.get(outcome) ?? 0), { database })
      known.set(outcome, count)
    }
  }
}
