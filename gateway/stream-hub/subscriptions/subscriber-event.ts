/** One event on a path, as it is delivered to a subscriber. */
import { agenteseSubject } from '../../../shared/nats/subjects.ts'
import { fromNats, type EventCarrier } from '../../../shared/nats/event-message.ts'
import { EVENT_KINDS, type EventKind } from '../../../shared/events/subscription.ts'
import type { KgentsEvent } from '../../../shared/events/event.ts'
import { writeEventMessage } from '../../../shared/http/event-message.ts'
import type { Log } from '../../../shared/telemetry/log.ts'
import { readTraceparent } from '../../../shared/telemetry/trace.ts'

export interface SubscriberEvent {
  /** Of the stream `AGENTESE`: rises over all tenants, so that it has gaps for each. */
  sequence: number
  path: string
  aspect: string
  kind: EventKind
  event: KgentsEvent
  /** As it is sent, once it was written: the same for all who need not acknowledge it. */
  text?: string
}

/** What a delivery adds that must be acknowledged. */
export interface Delivered {
  ack: string
  attempt: number
}

const TYPE_PREFIX = 'io.kgents.agentese.'

/**
 * Reads the event in a message; undefined where it is none for subscribers, or not `tenant`'s. A message that
 * nobody should have written is passed over: it must not end a stream.
 */
export function readSubscriberEvent(
  message: EventCarrier & { subject: string; sequence: number },
  tenant: string,
  log: Log,
): SubscriberEvent | undefined {
  const { sequence } = message
  const prefix = agenteseSubject(tenant, '')
  if (!message.subject.startsWith(prefix)) return undefined
  try {
    const path = message.subject.slice(prefix.length)
    const event = fromNats(message)
    const kind = EVENT_KINDS.find((known) => event.type === TYPE_PREFIX + known)
    if (kind === undefined || event.tenantid !== tenant) return undefined
    return { sequence, path, aspect: path.slice(path.lastIndexOf('.') + 1), kind, event }
  } catch (error) {
    log.warn({ err: error, sequence }, 'an event could not be read')
    return undefined
  }
}

/** The event as a server-sent event. */
export function textOf(entry: SubscriberEvent): string {
  entry.text ??= writeText(entry)
  return entry.text
}

/** The same for one delivery that is to be acknowledged. */
export function textOfDelivery(entry: SubscriberEvent, delivered: Delivered): string {
  return writeText(entry, delivered)
}

function writeText(entry: SubscriberEvent, delivered?: Delivered): string {
  const { kind: event, sequence: id } = entry
  return writeEventMessage({ event, id, data: membersOf(entry, delivered) })
}

function membersOf({ sequence, path, aspect, kind, event }: SubscriberEvent, delivered?: Delivered) {
  const { archetype } = (event.data ?? {}) as { archetype?: unknown }
  return {
    event_id: event.id,
    path,
    aspect,
    timestamp: event.time,
    observer_archetype: typeof archetype === 'string' ? archetype : null,
    event_type: kind,
    data: event.data,
    trace_id: event.traceparent === undefined ? null : readTraceparent(event.traceparent).traceId,
    sequence,
    ...delivered,
  }
}

/** Milliseconds since the event was made. */
export function ageOf({ event }: SubscriberEvent): number {
  return Date.now() - Date.parse(event.time ?? '')
}
