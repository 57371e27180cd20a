/** How a client wants to learn of a result that takes a while. */
import type { IncomingHttpHeaders } from 'node:http'
import { prefersEventStream } from '../../shared/http/accept.ts'
import { LAST_EVENT_ID } from '../../shared/http/event-message.ts'

export type Preference = { kind: 'stream' } | { kind: 'wait'; seconds: number } | { kind: 'none' }

/** A proxy may cut a connection on which nothing moves for longer. */
const MAX_WAIT_SECONDS = 60

/** `Accept: text/event-stream` requests a stream, `Prefer: wait=N` (RFC 7240) for the result if it is there in time. */
export function readPreference({ accept, prefer }: IncomingHttpHeaders): Preference {
  if (prefersEventStream(accept)) return { kind: 'stream' }
  const wait = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})/i.exec(String(prefer ?? ''))?.[1]
  if (wait === undefined) return { kind: 'none' }
  return { kind: 'wait', seconds: Math.min(Number(wait), MAX_WAIT_SECONDS) }
}

/** The last event that a client has, from where its stream goes on; -1 is from the start. */
export function readLastEventId(headers: IncomingHttpHeaders, query: string): number {
  const text = lastEventId(headers, query)
  return /^\d{1,15}$/.test(text) ? Number(text) : -1
}

/** Whether the client has the event behind which nothing comes. */
export function hasSeenTheEnd(headers: IncomingHttpHeaders, query: string): boolean {
  return lastEventId(headers, query) === LAST_EVENT_ID
}

export function lastEventId(headers: IncomingHttpHeaders, query: string): string {
  return String(headers['last-event-id'] ?? new URLSearchParams(query).get('last_event_id'))
}
