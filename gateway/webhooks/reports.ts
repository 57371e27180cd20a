/**
 * Reports the outcomes of deliveries to the function `subscriptions`, by signed events: that a sink fails, in another way than
 * before, or takes events again; that it is gone; that an event is given up. Not each delivery: that would be an event for
 * each event.
 */
import type { NatsLink } from '../../shared/nats/link.ts'
import { toNats } from '../../shared/nats/event-message.ts'
import { eventSubject } from '../../shared/nats/subjects.ts'
import { createEvent, deriveReportKey, messageIdOf, type KgentsEvent } from '../../shared/events/event.ts'
import {
  REPORTS,
  type DeadLetter,
  type DeliveryError,
  type SinkMetadata,
  type SinkReport,
} from '../../shared/events/webhook.ts'

/** A sink that changes more often than this is reported as it is then. */
const QUIET_MS = 10_000

/** Publishes a report; rejects where JetStream has not stored it. */
export type PublishReport = (
  sink: SinkMetadata,
  what: keyof typeof REPORTS,
  data: SinkReport | DeadLetter,
) => Promise<void>

export function createReports(link: NatsLink, key: string): PublishReport {
  return async ({ tenant, subscription }, what, data) => {
    const type = REPORTS[what]
    const event = createEvent(
      { source: '/webhooks', type, tenant, subject: subscription, function: 'subscriptions', data },
      deriveReportKey(key, tenant, subscription),
    )
    const { headers, payload } = toNats(event)
    await link.jetstream().publish(eventSubject(tenant, type), payload, { headers })
  }
}

/** Health of the deliveries of one sink, reported when it changes. */
export interface Health {
  succeeded(): void
  failed(error: DeliveryError, event: KgentsEvent, attempt: number): void
  close(): void
}

/**
 * Nothing is known at first, so the first outcome is reported.
 *
 * @param report sends one change; one that could not be sent is sent with the next outcome
 */
export function createHealth(
  report: (what: 'failed' | 'recovered', data: Omit<SinkReport, 'subscription'>) => Promise<void>,
  quietMs = QUIET_MS,
): Health {
  let reported: string | undefined
  let toldAt = -Infinity
  let latest: { state: string; send: () => Promise<void> } | undefined
  let timer: NodeJS.Timeout | undefined

  function flush(): void {
    timer = undefined
    if (latest === undefined || latest.state === reported) return
    const { state, send } = latest
    reported = state
    toldAt = performance.now()
    send().catch(() => {
      if (reported === state) reported = undefined
    })
  }

  function tell(state: string, send: () => Promise<void>): void {
    latest = { state, send }
    const left = toldAt + quietMs - performance.now()
    if (left <= 0) flush()
    else timer ??= setTimeout(flush, left).unref()
  }

  return {
    succeeded() {
      const at = new Date().toISOString()
      tell('fine', () => report('recovered', { at }))
    },
    failed(error, event, attempt) {
      const at = new Date().toISOString()
      tell(error.code, () => report('failed', { at, error, event: messageIdOf(event), attempt }))
    },
    close: () => clearTimeout(timer),
  }
}
