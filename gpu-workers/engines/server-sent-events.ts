/**
 * Reads a `text/event-stream` body: the `data` of each event, in order, however the network cut the bytes.
 * Other fields and comments (which some servers send to keep the line open) are skipped.
 */

/** Longer than any chunk of a completion; a server that sends more without a line end is not speaking SSE. */
const MAX_PENDING = 4 * 1024 * 1024

export async function* readEventData(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let pending = ''
  let data: string[] = []
  for await (const bytes of body) {
    pending += decoder.decode(bytes, { stream: true })
    // A CR at the very end may be half of a CRLF: it waits for what follows.
    const lines = pending.split(/\r\n|\n|\r(?!$)/)
    pending = lines.pop() ?? ''
    if (pending.length > MAX_PENDING) throw new Error('Cannot read the event stream: a line has no end')
    for (const line of lines) {
      if (line === '' && data.length > 0) {
        yield data.join('\n')
        data = []
      } else if (line.startsWith('data:')) {
        data.push(line.slice(line.startsWith('data: ') ? 6 : 5))
      }
    }
  }
  // The standard drops an event without its closing blank line; completions servers are not that strict.
  const last = (pending + decoder.decode()).replace(/\r$/, '')
  if (last.startsWith('data:')) data.push(last.slice(last.startsWith('data: ') ? 6 : 5))
  if (data.length > 0) yield data.join('\n')
}
