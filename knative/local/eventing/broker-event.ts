/**
 * A CloudEvent on its way through the Broker: its attributes, which filters match, and its data as the bytes that
 * came in, which nobody here needs to read.
 */
import { HTTP, type CloudEvent, type Headers } from 'cloudevents'
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
    if (name.startsWith('ce-')) attributes[name.slice(3)] = String(value)
  }
  const contentType = headers['content-type']
  return { attributes, contentType: contentType === undefined ? undefined : String(contentType), data }
}

/** The library checks and takes apart the JSON form; its binary form is then the same as what is read from headers. */
function readStructured(body: Buffer): BrokerEvent {
  const json = JSON.parse(body.toString()) as Record<string, unknown>
  for (const name of REQUIRED)
    if (typeof json[name] !== 'string') throw new TypeError(`attribute "${name}" is missing`)
  const headers: Headers = { 'content-type': 'application/cloudevents+json' }
  const event = HTTP.toEvent<unknown>({ headers, body: JSON.stringify(json) }) as CloudEvent<unknown>
  const binary = HTTP.binary(event)
  return readBinary(
    lowerCased(binary.headers),
    Buffer.from((binary.body as string | Buffer | undefined) ?? ''),
  )
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
  for (const [name, value] of Object.entries(attributes)) headers[`ce-${name}`] = toHeaderValue(value)
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

function lowerCased(headers: Headers): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]),
  )
}

/** What came in a header goes out as it was; only JSON can hold what a header cannot. */
function toHeaderValue(value: string): string {
  return value.replaceAll(/[^\x20-\x7e]+/g, (text) => encodeURIComponent(text.toWellFormed()))
}
