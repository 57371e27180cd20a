/** Informs a tenant, and its webhooks, that a limit of its plan is used to 50, 80 or 100 percent. */
import type { Call } from '../../../shared/contract/call.ts'
import { THRESHOLD_REACHED, type ThresholdReached } from '../../../shared/events/usage-events.ts'

interface AlertRow {
  meter: string
  period: string
  threshold: number
  used: string
  bound: string
  reached_at: Date
}

/** Emits an event for each threshold that was reached, in the transaction that notes it: so each once. */
export async function announceAlerts({ db, emit }: Pick<Call, 'db' | 'emit'>): Promise<void> {
  const rows = await db<AlertRow[]>`
    update usage_alerts set notified_at = now() where notified_at is null
    returning meter, period, threshold, used, bound, reached_at`
  for (const { used, bound, reached_at, ...row } of rows) {
    const data: ThresholdReached = {
      ...row,
      used: Number(used),
      limit: Number(bound),
      reached_at: reached_at.toISOString(),
    }
    emit(THRESHOLD_REACHED, data)
  }
}
