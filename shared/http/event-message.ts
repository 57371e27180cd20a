/**
 * Writes `text/event-stream` (WHATWG HTML, 9.2) so that strict and loose decoders read the same: some dispatch an event at
 * any blank line after an id or a `retry:`, and some end lines at each character that Unicode calls a line break. So only an
 * event with data has a blank line behind it, and such characters are escapes in its JSON.
 */

export interface EventMessage {
  event: string
  /** With which a client resumes behind this event. */
  id?: number | string | undefined
  data: unknown
}

export const EVENT_STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // nginx, and so Kong, collects an answer before it passes it on, without this header
  'x-accel-buffering': 'no',
}

/** How long a client waits before it connects again. Belongs to the first event, and is sent as soon as the stream opens. */
export const OPENING = 'retry: 1000\n'

/** A comment, which clients pass over; it keeps connections open. */
export const HEARTBEAT = ': still here\n'

/**
 * Id of the event behind which nothing comes. A browser's `EventSource` connects again whenever a stream has ended; it
 * sends this id then, and 204 is what ends it.
 */
export const LAST_EVENT_ID = 'end'

export function writeEventMessage({ event, id, data }: EventMessage): string {
  return `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${toOneLine(JSON.stringify(data))}\n\n`
}

/** An event that has data alone. */
export function writeData(data: unknown): string {
  return `data: ${toOneLine(JSON.stringify(data))}\n\n`
}

/** Line breaks that JSON does not escape: NEL, LINE SEPARATOR, PARAGRAPH SEPARATOR. */
const LINE_BREAK = /[\u0085\u2028\u2029]/g

function toOneLine(json: string): string {
  return json.replace(
    LINE_BREAK,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
