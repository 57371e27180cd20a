/**
 * Reads CloudEvents from a request, in each form that HTTP has for them: one with attributes in headers (binary), one in
 * a JSON object (structured), many in a JSON list (batch). What comes out is the JSON form of what was sent; whether
 * an event is a good one is decided by its consumer, since one bad event need not spoil a batch.
 */
import type { JsonForm } from '../events/binary-form.ts'
import { Failure } from '../failures.ts'
import { parseBody, readBytes, readJson } from './read-body.ts'
import { readBinaryEvent, type RequestHeaders } from './read-event.ts'

/** @throws Failure BODY_SYNTAX, EVENT_SYNTAX, CONTENT_TYPE or BODY_TOO_LARGE where not even the form can be made out */
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

/** Data is judged as any JSON that comes in, where it is JSON. */
async function readBinary(request: Request, headers: RequestHeaders): Promise<JsonForm> {
  const body = await readBytes(request)
  try {
    return readBinaryEvent(body, headers, parseBody)
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    const why = cause instanceof Error ? cause.message : 'it is none'
    throw new Failure('EVENT_SYNTAX', `Cannot read the event: ${why}`, {
      suggestion: 'Send each attribute as a header, with what is not printable ASCII percent-encoded',
      cause,
    })
  }
}
