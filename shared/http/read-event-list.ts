/**
 * Reads CloudEvents from a request, in each form that HTTP has for them: one with attributes in headers (binary), one in
 * a JSON object (structured), many in a JSON list (batch). What comes out is what was sent, as structured as JSON; whether
 * an event is a good one is decided by its consumer, since one bad event need not spoil a batch.
 */
import { Failure } from '../failures.ts'
import { readJson } from './read-body.ts'
import type { RequestHeaders } from './read-event.ts'

/** @throws Failure BODY_SYNTAX, CONTENT_TYPE or BODY_TOO_LARGE where not even the form can be made out */
export async function readEventList(request: Request, headers: RequestHeaders): Promise<unknown[]> {
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase()
  if (type === 'application/cloudevents-batch+json') {
    const events = await readJson(request)
    if (Array.isArray(events)) return events
    throw new Failure('BODY_SYNTAX', 'Cannot read the batch: it is not a JSON list', {
      suggestion: 'Send a list of events, or one event as "application/cloudevents+json"',
    })
  }
  if (type === 'application/cloudevents+json') return [await readJson(request)]
  if (headers['ce-specversion'] !== undefined) return [await readBinary(request, headers)]
  throw new Failure('CONTENT_TYPE', `Cannot read events from a body of type "${type}"`, {
    suggestion: 'Send a CloudEvent as "application/cloudevents+json", a batch, or with ce- headers',
  })
}

async function readBinary(request: Request, headers: RequestHeaders): Promise<Record<string, unknown>> {
  const data = await readJson(request)
  const attributes = Object.entries(headers).flatMap(([name, value = '']) =>
    name.startsWith('ce-') ? [[name.slice('ce-'.length), decode(value)] as const] : [],
  )
  return {
    ...Object.fromEntries(attributes),
    ...(data === undefined ? {} : { datacontenttype: headers['content-type'], data }),
  }
}

/** CloudEvents' HTTP binding, 3.1.3.2; what is not percent-encoded UTF-8 stays as it is. */
function decode(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
