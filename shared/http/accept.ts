/** What a client accepts as an answer, of what can be answered (RFC 9110, 12.5.1). */
import { parseAccept } from 'hono/utils/accept'

const EVENT_STREAM = 'text/event-stream'
const JSON_TYPE = 'application/json'

/**
 * Whether `accept` prefers server-sent events to JSON. JSON is what is answered by default, so a wildcard that covers both
 * requests none; where both are named and liked alike, the client shows that it can read a stream.
 */
export function prefersEventStream(accept = ''): boolean {
  if (!/text\/(event-stream|\*)/i.test(accept)) return false
  const stream = rangeFor(EVENT_STREAM, accept)
  const json = rangeFor(JSON_TYPE, accept)
  return stream.q > json.q || (stream.q > 0 && stream.q === json.q && stream.type === EVENT_STREAM)
}

/** Whether `accept` prefers plain text to JSON; only by its name, since wildcards are for whoever takes anything. */
export function prefersPlainText(accept = ''): boolean {
  if (!/text\/plain/i.test(accept)) return false
  const text = rangeFor('text/plain', accept)
  return text.q > 0 && text.q >= rangeFor(JSON_TYPE, accept).q
}

/** The most specific range of `accept` that covers `type`, in lower case; of quality 0 where none does. */
function rangeFor(type: string, accept: string): { type: string; q: number } {
  const ranges = parseAccept(accept.toLowerCase())
  const covering = [type, `${type.slice(0, type.indexOf('/'))}/*`, '*/*']
  for (const range of covering) {
    const found = ranges.find((each) => each.type === range)
    if (found !== undefined) return found
  }
  return { type: '', q: 0 }
}
