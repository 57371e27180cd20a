/** Reads a CloudEvent from an HTTP request, in binary or structured form. */
import type { CloudEvent } from 'cloudevents'
import type { KgentsEvent } from '../events/event.ts'
import { Failure } from '../failures.ts'
import { readText } from './read-body.ts'

/**
 * The one event in `request`.
 *
 * @throws Failure EVENT_SYNTAX where it is not a CloudEvent 1.0 with JSON data
 */
export async function readEvent(request: Request): Promise<KgentsEvent> {
  const body = await readText(request)
  // Only processes that take events pay for loading the library.
  const { HTTP } = await import('cloudevents')
  try {
    const headers = Object.fromEntries(request.headers)
    requireAttributes(headers, body)
    const event = HTTP.toEvent<unknown>({ headers, body })
    if (Array.isArray(event)) throw new TypeError('a batch of events is not taken here')
    const single = event as CloudEvent<unknown>
    single.validate()
    // The library's type leaves extensions untyped; the signature covers those that are believed.
    return single.toJSON() as unknown as KgentsEvent
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n')[0] : 'it is not a CloudEvent'
    throw new Failure('EVENT_SYNTAX', `Cannot read the event: ${why}`, {
      suggestion: 'Send a CloudEvent 1.0 with id, source, type, time and tenantid',
      cause,
    })
  }
}

const REQUIRED = ['id', 'source', 'type', 'time', 'tenantid']

/** The library makes up an id or a time where there is none; here that is the sender's mistake. */
function requireAttributes(headers: Record<string, string>, body: string): void {
  const isStructured = /^application\/cloudevents\+json/i.test(headers['content-type'] ?? '')
  const attributes: Record<string, unknown> = isStructured
    ? JSON.parse(body)
    : Object.fromEntries(REQUIRED.map((name) => [name, headers[`ce-${name}`]]))
  const missing = REQUIRED.filter((name) => typeof attributes[name] !== 'string' || attributes[name] === '')
  if (missing.length > 0) throw new TypeError(`attribute "${missing.join('", "')}" is missing`)
}
