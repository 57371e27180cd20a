/** One open stream of server-sent events to one client. */
import type { ServerResponse } from 'node:http'
import { EVENT_STREAM_HEADERS, HEARTBEAT } from '../../shared/http/event-message.ts'

/**
 * A client that does not read is cut off: it can resume where it was, while the hub holds little for it. What may
 * wait is more than the longest log, which comes in one burst when a client resumes.
 */
const MAX_WAITING_BYTES = 4 * 1024 * 1024
const MAX_STALLED_MS = 30_000

export interface EventStream {
  /** @param text one event or more, as they are written */
  send(text: string): void
  /** A comment: clients pass over it, and connections stay open. */
  beat(): void
  end(): void
}

/**
 * @param opening what it begins with
 * @param onSlow called once, when the client is cut off because it does not read
 */
export function openEventStream(
  response: ServerResponse,
  headers: Record<string, string | string[]>,
  opening: string,
  onSlow: () => void,
): EventStream {
  let stalled: NodeJS.Timeout | undefined
  const reads = () => {
    clearTimeout(stalled)
    stalled = undefined
  }

  function cutOff(): void {
    onSlow()
    response.destroy()
  }

  function write(text: string): void {
    if (response.destroyed || response.writableEnded) return
    const flows = response.write(text)
    if (response.writableLength > MAX_WAITING_BYTES) cutOff()
    else if (!flows) stalled ??= setTimeout(cutOff, MAX_STALLED_MS)
  }

  response.on('drain', reads).once('close', reads)
  response.writeHead(200, { ...headers, ...EVENT_STREAM_HEADERS })
  write(opening)

  return {
    send: write,
    beat: () => write(HEARTBEAT),
    end: () => response.end(),
  }
}
