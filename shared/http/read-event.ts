/**
 * Reads a CloudEvent from an HTTP request, in binary or structured form, as it was sent.
 *
 * Nearly every event has a plain path as its source, and is checked right here, since the library takes half of all the time
 * that a small call takes; any other source, the library judges.
 */
import { parseExactly } from '../exact-json.ts'
import { fromBinary, holdsJson, type JsonForm } from '../events/binary-form.ts'
import type { KgentsEvent } from '../events/event.ts'
import { Failure } from '../failures.ts'
import { checkCharset, checkDepth, decodeBody, readBytes } from './read-body.ts'

/** Names in lower case, as Node gives them. */
export type RequestHeaders = Readonly<Record<string, string | undefined>>

/**
 * The one event in `request`.
 *
 * @throws Failure EVENT_SYNTAX where it is not a CloudEvent 1.0, CONTENT_TYPE or BODY_SYNTAX where its JSON is not UTF-8
 */
export async function readEvent(request: Request, headers: RequestHeaders): Promise<KgentsEvent> {
  const body = await readBytes(request)
  try {
    const event = isStructured(headers)
      ? readStructured(body, headers)
      : readBinaryEvent(body, headers, parseEvent)
    await check(event)
    return event as unknown as KgentsEvent // reason: what is required is there
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    const why = cause instanceof Error ? cause.message.split('\n')[0] : 'it is not a CloudEvent'
    throw new Failure('EVENT_SYNTAX', `Cannot read the event: ${why}`, {
      suggestion: 'Send a CloudEvent 1.0 with id, source, type and tenantid',
      cause,
    })
  }
}

/**
 * The event whose attributes are headers; without a `Content-Type`, JSON is meant.
 *
 * @throws TypeError with the reason why it is none, Failure CONTENT_TYPE for JSON that is not UTF-8; what `parse` throws
 */
export function readBinaryEvent(
  body: Uint8Array,
  headers: RequestHeaders,
  parse: (text: string) => unknown,
): JsonForm {
  const type = headers['content-type'] ?? ''
  if (type !== '' && holdsJson(type)) checkCharset(type)
  return fromBinary(headers, body, { parse })
}

function isStructured(headers: RequestHeaders): boolean {
  return /^application\/cloudevents/i.test(headers['content-type'] ?? '')
}

function readStructured(body: Uint8Array, headers: RequestHeaders): JsonForm {
  const type = headers['content-type'] ?? ''
  if (!/^application\/cloudevents\+json\s*(;|$)/i.test(type))
    throw new TypeError(`"${type}" is not taken here`)
  checkCharset(type)
  const event = parseEvent(decodeBody(body))
  if (typeof event !== 'object' || event === null || Array.isArray(event))
    throw new TypeError('it is not a JSON object')
  return Object.fromEntries(
    Object.entries(event).filter(([name, value]) => value !== null || name === 'data'),
  )
}

function parseEvent(text: string): unknown {
  checkDepth(text)
  return parseExactly(text)
}

const REQUIRED = ['specversion', 'id', 'source', 'type', 'tenantid'] as const
const PLAIN_SOURCE = /^(\/[\w.~-]+)+$/
const NAME = /^(?:[a-z0-9]+|data_base64)$/

async function check(event: JsonForm): Promise<void> {
  const missing = REQUIRED.filter((name) => typeof event[name] !== 'string' || event[name] === '')
  if (missing.length > 0) throw new TypeError(`attribute "${missing.join('", "')}" is missing`)
  const { specversion, id = '', source = '', type = '', time } = event as Record<string, string>
  if (specversion !== '1.0') throw new TypeError(`specversion "${specversion}" is not taken here`)
  if (time !== undefined && Number.isNaN(Date.parse(time))) throw new TypeError('attribute "time" is no time')
  const odd = Object.keys(event).find((name) => !NAME.test(name))
  if (odd !== undefined) throw new TypeError(`attribute name "${odd}" is not lower-case letters and digits`)
  if (PLAIN_SOURCE.test(source)) return
  // Only processes that get such events pay for loading the library.
  const { CloudEvent } = await import('cloudevents')
  void new CloudEvent({ id, source, type }, true)
}
