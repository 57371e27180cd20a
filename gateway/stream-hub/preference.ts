/** How a client wants to learn of a result that takes a while. */
import type { IncomingHttpHeaders } from 'node:http'

export type Preference = { kind: 'stream' } | { kind: 'wait'; seconds: number } | { kind: 'none' }

/** A proxy may cut a connection on which nothing moves for longer. */
const MAX_WAIT_SECONDS = 60

/** `Accept: text/event-stream` requests a stream, `Prefer: wait=N` (RFC 7240) for the result if it is there in time. */
export function readPreference({ accept, prefer }: IncomingHttpHeaders): Preference {
  if (accept?.toLowerCase().includes('text/event-stream') === true) return { kind: 'stream' }
  const wait = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})/i.exec(String(prefer ?? ''))?.[1]
  if (wait === undefined) return { kind: 'none' }
  return { kind: 'wait', seconds: Math.min(Number(wait), MAX_WAIT_SECONDS) }
}

/** The last event that a client has, from where its stream goes on; -1 is from the start. */
export function readLastEventId(headers: IncomingHttpHeaders, query: string): number {
  const text = headers['last-event-id'] ?? new URLSearchParams(query).get('last_event_id')
  return /^\d{1,15}$/.test(String(text)) ? Number(text) : -1
}
