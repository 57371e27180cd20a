/**
 * A CloudEvent on its way through the Broker: its attributes as text, which filters match, and its data as the bytes that
 * came in, which nobody here needs to read.
 */
import { decodeHeader, encodeHeader, toBinary } from '../../../shared/events/binary-form.ts'
import { parseKept } from '../../../shared/exact-json.ts'
import type { Attributes } from './filters.ts'

export interface BrokerEvent {
  attributes: Attributes
  contentType: string | undefined
  data: Buffer
}

const REQUIRED = ['specversion', 'id', 'source', 'type'] as const
const ATTRIBUTE_NAME = /^[a-z0-9]+$/

/** What a message carries in both directions. */
export interface EventMessage {
  headers: Readonly<Record<string, string | string[] | undefined>>
  body: Buffer
}

/**
 * Reads the event in a request or an answer, in binary or structured form.
 *
 * @throws TypeError with the reason why it is not a CloudEvent 1.0; a batch is none
 */
export function readBrokerEvent({ headers, body }: EventMessage): BrokerEvent {
  const contentType = String(headers['content-type'] ?? '')
  if (!contentType.startsWith('application/cloudevents')) return check(readBinary(headers, body))
  if (!contentType.startsWith('application/cloudevents+json'))
    throw new TypeError(`"${contentType}" is not taken`)
  return check(readStructured(body))
}

/** Whether a message claims to be a CloudEvent at all. */
export function looksLikeEvent({ headers }: EventMessage): boolean {
  const contentType = String(headers['content-type'] ?? '')
  return headers['ce-specversion'] !== undefined || contentType.startsWith('application/cloudevents')
}

function readBinary(headers: EventMessage['headers'], data: Buffer): BrokerEvent {
  const attributes: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith('ce-')) continue
    const text = decodeHeader(String(value))
    if (text === undefined) throw new TypeError(`header "${name}" is not percent-encoded UTF-8`)
    attributes[name.slice(3)] = text
  }
  const contentType = headers['content-type']
  return { attributes, contentType: contentType === undefined ? undefined : String(contentType), data }
}

/** JSON goes on with its type said: without one, it would no longer be meant (JSON format, 3.1.2). */
function readStructured(body: Buffer): BrokerEvent {
  const event = parseKept(body.toString()) as Record<string, unknown>
  for (const name of REQUIRED)
    if (typeof event[name] !== 'string') throw new TypeError(`attribute "${name}" is missing`)
  const set = Object.entries(event).filter(([name, value]) => value !== null || name === 'data')
  const { headers, contentType, body: data } = toBinary(Object.fromEntries(set))
  const type = contentType ?? (event['data'] === undefined ? undefined : 'application/json')
  return readBinary({ ...headers, 'content-type': type }, Buffer.from(data))
}

function check(event: BrokerEvent): BrokerEvent {
  const { attributes } = event
  for (const name of REQUIRED) if (!attributes[name]) throw new TypeError(`attribute "${name}" is missing`)
  if (attributes.specversion !== '1.0')
    throw new TypeError(`specversion "${attributes.specversion}" is not taken`)
  const odd = Object.keys(attributes).find((name) => !ATTRIBUTE_NAME.test(name))
  if (odd !== undefined) throw new TypeError(`attribute name "${odd}" is not lower-case letters and digits`)
  if (attributes.time !== undefined && Number.isNaN(Date.parse(attributes.time))) {
    throw new TypeError(`time "${attributes.time}" is not RFC 3339`)
  }
  return event
}

/** The event in binary form, as headers of a request. */
export function toHeaders({ attributes, contentType }: BrokerEvent): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(attributes)) headers[`ce-${name}`] = encodeHeader(value)
  if (contentType !== undefined) headers['content-type'] = contentType
  return headers
}

/** The same event with other attributes; undefined removes one. */
export function withAttributes(event: BrokerEvent, changes: Record<string, string | undefined>): BrokerEvent {
  const entries = Object.entries({ ...event.attributes, ...changes })
  const attributes = Object.fromEntries(
    entries.filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
  return { ...event, attributes }
}
