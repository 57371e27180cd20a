/** Stored events of a tenant, from some point on, at the pace at which they are taken. */
import { randomUUID } from 'node:crypto'
import { AckPolicy, DeliverPolicy, type ConsumerConfig, type NatsConnection } from 'nats'
import type { Log } from '../../../shared/telemetry/log.ts'
import { addConsumer } from './add-consumer.ts'
import type { NatsLink } from '../../../shared/nats/link.ts'
import { pull } from '../../../shared/nats/pull.ts'
import { readSubscriberEvent, type SubscriberEvent } from './subscriber-event.ts'

/** From a sequence number, or from what was stored at a time (RFC 3339). */
export type Origin = { sequence: number } | { time: string }

export interface ReplayOptions {
  link: NatsLink
  tenant: string
  log: Log
  /** Which do not overlap. */
  subjects: readonly string[]
  origin: Origin
  signal: AbortSignal
  onEvent(entry: SubscriberEvent): void
  /** Awaited between batches. */
  room(): Promise<void>
}

const STREAM = 'AGENTESE'
const BATCH = 100
/** Of messages that are asked for at once: twice the largest. */
export const MAX_PULL_BYTES = 2 * 1024 * 1024
/** A client may take its time with a batch; then the consumer is made anew. */
const FORGOTTEN_AFTER_NS = 30e9

/** Delivers all events that are stored; whether it came to their end. It did not where NATS became unavailable, or `signal` aborted. */
export async function replay(options: ReplayOptions): Promise<boolean> {
  const { link, tenant, log, subjects, origin, signal, onEvent, room } = options
  const nc = await link.ready(signal)
  if (nc === undefined) return false
  const manager = await link.manager()
  const name = `replay-${randomUUID()}`
  const pending = await addConsumer(nc, name, subjects, {
    ack_policy: AckPolicy.None,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: FORGOTTEN_AFTER_NS,
    ...(await startOf(origin, nc)),
  })
  try {
    let end = pending === 0 ? 'empty' : 'served'
    while (end === 'served') {
      end = await pull(
        link,
        { stream: STREAM, consumer: name, batch: BATCH, maxBytes: MAX_PULL_BYTES },
        (delivery) => {
          const entry = readSubscriberEvent(delivery, tenant, log)
          if (entry !== undefined && !signal.aborted) onEvent(entry)
        },
        signal,
      )
      await room()
    }
    return end === 'empty'
  } finally {
    manager.consumers.delete(STREAM, name).catch(() => undefined) // it vanishes by itself
  }
}

/**
 * Where a consumer begins. A sequence that the stream has not come to is of one that was lost: its reader has seen
 * nothing of this one.
 */
export async function startOf(origin: Origin, nc: NatsConnection): Promise<Partial<ConsumerConfig>> {
  if ('time' in origin) {
    // JetStream counts nanoseconds from 1970, and reads nothing from before.
    if (Date.parse(origin.time) <= 0) return { deliver_policy: DeliverPolicy.All }
    return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: origin.time }
  }
  const manager = await nc.jetstreamManager({ checkAPI: false })
  const { state } = await manager.streams.info(STREAM)
  if (origin.sequence > state.last_seq + 1) return { deliver_policy: DeliverPolicy.All }
  return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, origin.sequence) }
}
