/** Server-sent events as a client reads them. */
import { createParser, type EventSourceMessage } from 'eventsource-parser'

/** Reads a stream of events to its end, or until the caller stops; a comment is an event named `comment`. */
export async function* readMessages({ body }: Response): AsyncGenerator<EventSourceMessage> {
  const messages: EventSourceMessage[] = []
  const parser = createParser({
    onEvent: (message) => messages.push(message),
    onComment: () => messages.push({ event: 'comment', data: '{}' }),
  })
  for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    parser.feed(text)
    yield* messages.splice(0)
  }
}
