/**
 * Events as messages of NATS: CloudEvents in NATS binary mode.
 *
 * In binary mode the attributes are `ce-` headers and the body is the data alone, so a reader can distinguish an event
 * from other messages, and forward it over HTTP, without parsing the body. `Nats-Msg-Id` is the event id: a
 * publish that is repeated within the streams' window is stored once.
 */
import { headers as createHeaders, type MsgHdrs } from 'nats'
import type { KgentsEvent } from '../events/event.ts'
import { Failure } from '../failures.ts'

/** The header by which JetStream recognises a message that it has already stored. */
export const MESSAGE_ID_HEADER = 'Nats-Msg-Id'

/** What an event is read from: a delivered message has `headers`, one looked up in a stream has `header`. */
export interface EventCarrier {
  headers?: MsgHdrs | undefined
  header?: MsgHdrs | undefined
  data: Uint8Array
}

/** Attributes that travel as `ce-` headers; `datacontenttype` travels as `content-type`. */
const REQUIRED = ['id', 'source', 'type', 'time', 'tenantid'] as const
const OPTIONAL = ['subject', 'function', 'originid', 'traceparent', 'signature'] as const

/** Writes an event for NATS; the headers include `Nats-Msg-Id`. */
export function toNats(event: KgentsEvent): { headers: MsgHdrs; payload: Uint8Array } {
  const headers = createHeaders()
  headers.append(MESSAGE_ID_HEADER, event.id)
  headers.append('content-type', event.datacontenttype)
  headers.append('ce-specversion', event.specversion)
  for (const name of [...REQUIRED, ...OPTIONAL]) {
    const value = event[name]
    if (value !== undefined) headers.append(`ce-${name}`, encodeHeader(value))
  }
  return { headers, payload: Buffer.from(JSON.stringify(event.data ?? null)) }
}

/** Whether a message is an event, and not, say, a token chunk. */
export function isEventMessage(message: EventCarrier): boolean {
  return (message.headers ?? message.header)?.has('ce-type') ?? false
}

/**
 * Reads an event that `toNats` wrote. Attributes that kgents does not know are dropped. Nothing is believed
 * yet: `verifyEvent` checks whether the event is what it claims.
 *
 * @throws Failure EVENT_SYNTAX
 */
export function fromNats(message: EventCarrier): KgentsEvent {
  const headers = message.headers ?? message.header
  const read = (name: string) => decodeHeader(headers?.get(`ce-${name}`) ?? '')
  if (read('specversion') !== '1.0') throw unreadable('it has no "ce-specversion: 1.0" header')
  const attributes: Record<string, string> = {}
  for (const name of REQUIRED) {
    const value = read(name)
    if (value === '') throw unreadable(`attribute "${name}" is missing`)
    attributes[name] = value
  }
  for (const name of OPTIONAL) {
    const value = read(name)
    if (value !== '') attributes[name] = value
  }
  return {
    specversion: '1.0',
    ...(attributes as Pick<KgentsEvent, (typeof REQUIRED)[number] | (typeof OPTIONAL)[number]>),
    datacontenttype: 'application/json',
    data: readData(message.data),
  }
}

function readData(payload: Uint8Array): unknown {
  if (payload.length === 0) return null
  try {
    return JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString())
  } catch (error) {
    throw unreadable('its data is not JSON', error)
  }
}

function unreadable(reason: string, cause?: unknown): Failure {
  return new Failure('EVENT_SYNTAX', `Cannot read the event from NATS: ${reason}`, { cause })
}

/** CloudEvents' HTTP binding, 3.1.3.2: what is not printable ASCII, and `"` and `%`, is percent-encoded. */
function encodeHeader(value: string): string {
  return /^[!#$&-~]*$/.test(value)
    ? value
    : value.replace(/[^!#$&-~]+/gu, (part) => encodeURIComponent(part.toWellFormed()))
}

function decodeHeader(value: string): string {
  if (!value.includes('%')) return value
  try {
    return decodeURIComponent(value)
  } catch {
    throw unreadable(`header value "${value}" is not percent-encoded UTF-8`)
  }
}
