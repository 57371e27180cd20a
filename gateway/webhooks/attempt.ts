/** What is done with one message of a subscription's consumer: delivered, put off, given up, or passed over. */
import type { Delivery } from '../../shared/nats/delivery.ts'
import { z } from 'zod'
import { fromNats } from '../../shared/nats/event-message.ts'
import type { KgentsEvent } from '../../shared/events/event.ts'
import {
  REDELIVER,
  type DeadLetter,
  type DeliveryError,
  type SinkMetadata,
} from '../../shared/events/webhook.ts'
import { pause } from '../../shared/pause.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import type { Deliver, Outcome } from './deliver.ts'
import type { WebhookMetrics } from './metrics.ts'
import type { Health, PublishReport } from './reports.ts'
import { quietMs, retryDelay } from './schedule.ts'
import { isSubscribed } from './is-subscribed.ts'

export interface AttemptOptions {
  deliver: Deliver
  report: PublishReport
  /** Seconds between attempts. */
  schedule: readonly number[]
  metrics: WebhookMetrics
  log: Log
}

/** One subscription as the sender keeps it. */
export interface Sink {
  metadata: SinkMetadata
  health: Health
  signal: AbortSignal
  /** Has said that it is gone; nothing more is sent. */
  gone: boolean
  /** Until when it asks to be left alone (`Retry-After`), as `Date.now()`. */
  quietUntil: number
}

const Redelivery = z.object({
  subscription: z.string(),
  event: z.looseObject({ id: z.string(), type: z.string() }),
})

/** @param stop ends the wait for a sink that asks to be left alone: the event goes to another sender */
export async function attempt(
  sink: Sink,
  delivery: Delivery,
  options: AttemptOptions,
  stop: AbortSignal,
): Promise<void> {
  const { metrics, log } = options
  const event = read(sink, delivery, log)
  if (event !== undefined && !(await whenWelcome(sink, stop))) return void (await delivery.nak())
  if (event === undefined || sink.gone) {
    metrics.ended('skipped')
    return void (await delivery.ack())
  }
  const outcome = await timed(() => options.deliver(sink.metadata, event, sink.signal), metrics)
  if (outcome.how === 'delivered') {
    await delivery.ack()
    sink.health.succeeded()
    return metrics.ended('delivered')
  }
  // Cut off by our own end: another sender tries again at once.
  if (sink.signal.aborted) return void (await delivery.nak())
  if (outcome.how === 'gone') return giveUpSink(sink, delivery, outcome.error, options)
  sink.quietUntil = Math.max(sink.quietUntil, Date.now() + quietMs(outcome.retryAfterSeconds))
  await putOff(sink, delivery, event, outcome, options)
}

/** Waits as long as the sink asks; false where it was stopped meanwhile. */
async function whenWelcome(sink: Sink, stop: AbortSignal): Promise<boolean> {
  const signal = AbortSignal.any([sink.signal, stop])
  for (let left = sink.quietUntil - Date.now(); left > 0; left = sink.quietUntil - Date.now()) {
    await pause(left, signal)
    if (signal.aborted) return false
  }
  return true
}

/** The event to deliver; undefined where the subscription does not receive it. */
function read({ metadata }: Sink, delivery: Delivery, log: Log): KgentsEvent | undefined {
  try {
    const event = fromNats(delivery)
    if (event.type !== REDELIVER) return isSubscribed(metadata, event) ? event : undefined
    if (event.tenantid !== metadata.tenant) return undefined
    const { subscription, event: again } = Redelivery.parse(event.data)
    return subscription === metadata.subscription ? (again as unknown as KgentsEvent) : undefined // reason: the platform signed it
  } catch (error) {
    log.warn({ err: error, subject: delivery.subject }, 'a message could not be read')
    return undefined
  }
}

async function timed(work: () => Promise<Outcome>, metrics: WebhookMetrics): Promise<Outcome> {
  const start = performance.now()
  metrics.inFlight(1)
  try {
    return await work()
  } finally {
    metrics.inFlight(-1)
    metrics.took((performance.now() - start) / 1000)
  }
}

async function giveUpSink(
  sink: Sink,
  delivery: Delivery,
  error: DeliveryError,
  { report, metrics }: AttemptOptions,
) {
  const { metadata } = sink
  const at = new Date().toISOString()
  await report(metadata, 'disabled', { subscription: metadata.subscription, at, error })
  sink.gone = true
  metrics.ended('gone')
  await delivery.term('the sink is gone')
}

async function putOff(
  sink: Sink,
  delivery: Delivery,
  event: KgentsEvent,
  { error, retryAfterSeconds }: Extract<Outcome, { how: 'failed' }>,
  { report, schedule, metrics }: AttemptOptions,
): Promise<void> {
  const attempts = delivery.attempt
  sink.health.failed(error, event, attempts)
  const delay = retryDelay(attempts, schedule, retryAfterSeconds)
  if (delay !== undefined) {
    metrics.ended('failed')
    return void (await delivery.nak(delay))
  }
  const { metadata } = sink
  const { signature: _signature, ...letter } = event
  const data: DeadLetter = {
    subscription: metadata.subscription,
    at: new Date().toISOString(),
    error,
    attempts,
    event: letter,
  }
  await report(metadata, 'dead', data)
  metrics.ended('dead')
  await delivery.term('given up')
}
