/** Reads `text/event-stream`, as what others send: the bytes may be cut anywhere, and the end may be too early. */
import { createParser, type EventSourceMessage } from 'eventsource-parser'

/** Longer than any event that is read here; a server that sends more without an end is not speaking SSE. */
const MAX_PENDING_CHARACTERS = 4 * 1024 * 1024

/**
 * The events of a body, in order. Comments, which some servers send to keep the line open, are skipped. The standard
 * drops an event without its closing blank line; completions servers are not that strict, so here it counts.
 *
 * @throws ParseError where an event has no end
 */
export async function* readServerSentEvents(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<EventSourceMessage> {
  const events: EventSourceMessage[] = []
  const parser = createParser({
    maxBufferSize: MAX_PENDING_CHARACTERS,
    onEvent: (event) => events.push(event),
    onError(error) {
      if (error.type === 'max-buffer-size-exceeded') throw error
    },
  })
  const decoder = new TextDecoder()
  for await (const bytes of body) {
    parser.feed(decoder.decode(bytes, { stream: true }))
    yield* events.splice(0)
  }
  parser.feed(`${decoder.decode()}\n\n`)
  yield* events
}
