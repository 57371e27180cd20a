/**
 * Sends pieces of text that come close together as one event: each event costs a write here, at each proxy and at the client.
 * The first piece goes out at once, and so does whatever comes after a pause; nothing waits longer than the window.
 */
import type { StreamEvent } from './transcript.ts'

const WINDOW_MS = 20

export interface Coalescer {
  add(event: StreamEvent): void
  /** Forgets what waits. */
  close(): void
}

export function createCoalescer(send: (event: StreamEvent) => void, windowMs = WINDOW_MS): Coalescer {
  let waiting: StreamEvent | undefined
  let timer: NodeJS.Timeout | undefined

  /** Sends what waits, and keeps the window open as long as there was something. */
  function flush(): void {
    timer = undefined
    if (waiting === undefined) return
    const event = waiting
    waiting = undefined
    timer = setTimeout(flush, windowMs)
    send(event)
  }

  function close(): void {
    clearTimeout(timer)
    timer = undefined
    waiting = undefined
  }

  return {
    close,
    add(event) {
      if (event.event === 'chunk' && timer !== undefined) {
        waiting = waiting === undefined ? event : joined(waiting, event)
        return
      }
      const before = waiting
      close()
      if (before !== undefined) send(before)
      if (event.event === 'chunk') timer = setTimeout(flush, windowMs)
      send(event)
    },
  }
}

/** Both texts, under the id of the later one: who has it has both. */
function joined(first: StreamEvent, second: StreamEvent): StreamEvent {
  const text = String(first.data['text']) + String(second.data['text'])
  return { ...second, data: { ...second.data, text } }
}
