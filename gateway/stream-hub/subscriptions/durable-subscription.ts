/**
 * At-least-once: each event is delivered until it is acknowledged, at most three times, and then dead-lettered to the system bus
 * instead. Nothing is pulled from JetStream while the client reads nothing or owes as many acknowledgements as its buffer
 * holds: events wait where they are stored. Connections with the same id share its events.
 *
 * JetStream itself sets no limit of deliveries: it would let go of an event before anybody has reported it. So an event
 * leaves its subscription when it is acknowledged by the client, or by the hub behind a stored dead letter.
 */
import { Failure } from '../../../shared/failures.ts'
import type { Log } from '../../../shared/telemetry/log.ts'
import type { NatsLink } from '../../../shared/nats/link.ts'
import type { ClientStream } from './client-stream.ts'
import { publishDeadLetter } from './dead-letter.ts'
import { consumerName, type DurableConsumers, type Owner } from './durable-consumers.ts'
import type { SubscriptionMetrics } from './metrics.ts'
import type { Delivery } from '../../../shared/nats/delivery.ts'
import { pull } from '../../../shared/nats/pull.ts'
import { MAX_PULL_BYTES } from './replay.ts'
import { readSubscriberEvent, textOfDelivery, type SubscriberEvent } from './subscriber-event.ts'
import type { Wanted } from './wanted.ts'

export interface DurableOptions {
  id: string
  owner: Owner
  wanted: Wanted
  stream: ClientStream
  link: NatsLink
  consumers: DurableConsumers
  log: Log
  metrics: SubscriptionMetrics
  signal: AbortSignal
}

const MAX_DELIVERIES = 3
/** What may be on its way to a client that stops reading. */
const BATCH = 32
const EXPIRES_MS = 30_000
const RETRY_MS = 250

/** Delivers until `signal` aborts; resolves with the failure that ended it, if one did. */
export async function deliver(options: DurableOptions): Promise<Failure | undefined> {
  const { id, owner, stream, link, consumers, log, signal } = options
  while (!signal.aborted) {
    await link.ready(signal)
    try {
      const end = await pullOnce(options)
      if (end === 'absent' && (await consumers.find(owner, id)) === undefined) return ended(id)
      if (end === 'absent') await pause()
    } catch (error) {
      log.debug({ err: error }, 'a subscription could not be read yet')
      await pause()
    }
    await stream.room()
  }
  return undefined
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, RETRY_MS))
}

function ended(id: string): Failure {
  return new Failure('NOT_FOUND', `Cannot go on with subscription "${id}": it has ended`, {
    suggestion: 'Begin another one; events since then can be had with ?from=',
  })
}

function pullOnce(options: DurableOptions) {
  const { id, owner, link, signal } = options
  const request = {
    stream: 'AGENTESE',
    consumer: consumerName(owner.tenant, id),
    batch: BATCH,
    maxBytes: MAX_PULL_BYTES,
    expiresMs: EXPIRES_MS,
  }
  return pull(link, request, (delivery) => handle(delivery, options), signal)
}

function handle(delivery: Delivery, options: DurableOptions): void {
  const { owner, wanted, stream, log, metrics, signal } = options
  if (signal.aborted) return // it is delivered again when the wait for its acknowledgement has passed
  const { attempt, token } = delivery
  const entry = readSubscriberEvent(delivery, owner.tenant, log)
  if (entry === undefined || !wanted.has(entry)) return void delivery.ack()
  if (attempt > MAX_DELIVERIES) return void deadLetter(delivery, entry, options)
  if (attempt > 1) metrics.redelivered()
  metrics.delivered(entry, attempt === 1)
  stream.send(textOfDelivery(entry, { ack: token, attempt }))
}

/** Lets go of the event when the bus has it; where that fails, it is delivered to a hub once more. */
async function deadLetter(
  delivery: Delivery,
  entry: SubscriberEvent,
  { id, link, log, metrics }: DurableOptions,
): Promise<void> {
  try {
    await publishDeadLetter(link.jetstream(), entry, id, MAX_DELIVERIES)
    await delivery.ack()
    metrics.dead()
    log.warn({ sequence: entry.sequence, subscription: id }, 'an event was never acknowledged')
  } catch (error) {
    log.warn({ err: error, subscription: id }, 'a dead letter could not be reported yet')
  }
}
