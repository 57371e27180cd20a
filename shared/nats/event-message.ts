/**
 * Events as messages of NATS: CloudEvents in NATS binary mode.
 *
 * In binary mode the attributes are `ce-` headers and the body is the data alone, so a reader can distinguish an event
 * from other messages, and forward it over HTTP, without parsing the body. `Nats-Msg-Id` is the id by which the platform
 * knows the event: a publish that is repeated within the streams' window is stored once.
 */
import { headers as createHeaders, type MsgHdrs } from 'nats'
import { fromBinary, toBinary } from '../events/binary-form.ts'
import { messageIdOf, type KgentsEvent } from '../events/event.ts'
import { Failure } from '../failures.ts'

/** The header by which JetStream recognises a message that it has already stored. */
export const MESSAGE_ID_HEADER = 'Nats-Msg-Id'

/** What an event is read from: a delivered message has `headers`, one looked up in a stream has `header`. */
export interface EventCarrier {
  headers?: MsgHdrs | undefined
  header?: MsgHdrs | undefined
  data: Uint8Array
}

/** Names the members whose JSON form is not what headers and body alone say; for readers of ours. */
const FORM_HEADER = 'kgents-form'
const REQUIRED = ['id', 'source', 'type', 'tenantid'] as const

/** Writes an event for NATS, with every attribute that it has; the headers include `Nats-Msg-Id`. */
export function toNats(event: KgentsEvent): { headers: MsgHdrs; payload: Uint8Array } {
  const { headers: attributes, contentType, body, form } = toBinary(event)
  const headers = createHeaders()
  headers.append(MESSAGE_ID_HEADER, messageIdOf(event))
  if (contentType !== undefined) headers.append('content-type', contentType)
  for (const name in attributes) headers.append(name, attributes[name] ?? '')
  if (form.length > 0) headers.append(FORM_HEADER, form.join(' '))
  return { headers, payload: body }
}

/** Whether a message is an event, and not, say, a token chunk. */
export function isEventMessage(message: EventCarrier): boolean {
  return (message.headers ?? message.header)?.has('ce-type') ?? false
}

/**
 * Reads an event that `toNats` wrote, as it was. Nothing is believed yet: `verifyEvent` checks whether the event is what it
 * claims.
 *
 * @throws Failure EVENT_SYNTAX
 */
export function fromNats(message: EventCarrier): KgentsEvent {
  const headers = Object.fromEntries([...(message.headers ?? message.header ?? [])].map(firstOf))
  const event = read(() => fromBinary(headers, message.data, { form: headers[FORM_HEADER]?.split(' ') }))
  if (event['specversion'] !== '1.0') throw unreadable('it has no "ce-specversion: 1.0" header')
  const missing = REQUIRED.find((name) => typeof event[name] !== 'string' || event[name] === '')
  if (missing !== undefined) throw unreadable(`attribute "${missing}" is missing`)
  return event as unknown as KgentsEvent // reason: what is required is there
}

function firstOf([name, [value = '']]: [name: string, values: string[]]): [name: string, value: string] {
  return [name.toLowerCase(), value]
}

function read<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw unreadable(cause instanceof Error ? cause.message : 'it is none', cause)
  }
}

function unreadable(reason: string, cause?: unknown): Failure {
  return new Failure('EVENT_SYNTAX', `Cannot read the event from NATS: ${reason}`, { cause })
}
