/**
 * Reads a CloudEvent from an HTTP request, in binary or structured form.
 *
 * Nearly every event is binary, with a JSON object in the body. Such a one is read right here, since the library
 * takes half of all the time that a small call takes; what is odd or wrong about any other, the library judges.
 */
import type { CloudEvent } from 'cloudevents'
import type { KgentsEvent } from '../events/event.ts'
import { Failure } from '../failures.ts'
import { checkDepth, readText } from './read-body.ts'

/** Names in lower case, as Node gives them. */
export type RequestHeaders = Readonly<Record<string, string | undefined>>

/**
 * The one event in `request`.
 *
 * @throws Failure EVENT_SYNTAX where it is not a CloudEvent 1.0 with JSON data
 */
export async function readEvent(request: Request, headers: RequestHeaders): Promise<KgentsEvent> {
  const body = await readText(request)
  checkDepth(body)
  try {
    return readPlain(headers, body) ?? (await readAny(headers, body))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n')[0] : 'it is not a CloudEvent'
    throw new Failure('EVENT_SYNTAX', `Cannot read the event: ${why}`, {
      suggestion: 'Send a CloudEvent 1.0 with id, source, type, time and tenantid',
      cause,
    })
  }
}

const REQUIRED = ['specversion', 'id', 'source', 'type', 'time', 'tenantid'] as const
/** Attributes of which the library makes something else than the text that was sent. */
const SPECIAL = new Set(['data', 'datacontenttype', 'datacontentencoding', 'dataschema', 'schemaurl'])

const PLAIN = {
  contentType: /^application\/json(; charset=utf-8)?$/,
  name: /^[a-z0-9]+$/,
  source: /^(\/[\w.~-]+)+$/,
  time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
}

/** Length of a time that is written as we write it. */
const NORMAL_TIME = '2026-01-01T00:00:00.000Z'.length

/** Undefined where the event is not of the common form, be it good or bad. */
function readPlain(headers: RequestHeaders, body: string): KgentsEvent | undefined {
  const contentType = String(headers['content-type'])
  if (!PLAIN.contentType.test(contentType) || !body.startsWith('{')) return undefined
  const attributes = plainAttributes(headers)
  const { specversion, source = '', time = '' } = attributes ?? {}
  if (attributes === undefined || REQUIRED.some((name) => !(name in attributes))) return undefined
  if (specversion !== '1.0' || !PLAIN.source.test(source) || !isPlainTime(time)) return undefined
  const rest = {
    time: time.length === NORMAL_TIME ? time : new Date(time).toISOString(),
    datacontenttype: contentType,
    data: JSON.parse(body) as unknown,
  }
  return { ...attributes, ...rest } as unknown as KgentsEvent // reason: REQUIRED are all there
}

function isPlainTime(text: string): boolean {
  return PLAIN.time.test(text) && !Number.isNaN(Date.parse(text))
}

function plainAttributes(headers: RequestHeaders): Record<string, string> | undefined {
  const attributes: Record<string, string> = {}
  for (const header in headers) {
    if (!header.startsWith('ce-')) continue
    const name = header.slice(3)
    const value = headers[header]
    if (!value || SPECIAL.has(name) || !PLAIN.name.test(name)) return undefined
    attributes[name] = value
  }
  return attributes
}

async function readAny(headers: RequestHeaders, body: string): Promise<KgentsEvent> {
  // Only processes that get such events pay for loading the library.
  const { HTTP } = await import('cloudevents')
  requireAttributes(headers, body)
  const event = HTTP.toEvent<unknown>({ headers: { ...headers }, body })
  if (Array.isArray(event)) throw new TypeError('a batch of events is not taken here')
  const single = event as CloudEvent<unknown>
  if (!single.validate()) throw new TypeError(`specversion "${single.specversion}" is not taken here`)
  return single.toJSON() as unknown as KgentsEvent // reason: the library's type leaves extensions untyped; they are signed
}

/** The library makes up an id, a version or a time where there is none; here that is the sender's mistake. */
function requireAttributes(headers: RequestHeaders, body: string): void {
  const isStructured = /^application\/cloudevents\+json/i.test(String(headers['content-type']))
  const attributes: Record<string, unknown> = isStructured
    ? JSON.parse(body)
    : Object.fromEntries(REQUIRED.map((name) => [name, headers[`ce-${name}`]]))
  const missing = REQUIRED.filter((name) => typeof attributes[name] !== 'string' || attributes[name] === '')
  if (missing.length > 0) throw new TypeError(`attribute "${missing.join('", "')}" is missing`)
  if (Number.isNaN(Date.parse(String(attributes['time'])))) throw new TypeError('attribute "time" is no time')
}
