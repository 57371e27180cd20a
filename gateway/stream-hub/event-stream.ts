/** One open stream of server-sent events to one client. */
import type { ServerResponse } from 'node:http'
import {
  EVENT_STREAM_HEADERS,
  HEARTBEAT,
  OPENING,
  writeEventMessage,
  type EventMessage,
} from '../../shared/http/event-message.ts'

/**
 * A client that does not read is cut off: it can resume where it was, while the hub holds little for it. What may
 * wait is more than the longest log, which comes in one burst when a client resumes.
 */
const MAX_WAITING_BYTES = 4 * 1024 * 1024
const MAX_STALLED_MS = 30_000

export interface EventStream {
  send(event: EventMessage): void
  /** A comment: clients pass over it, and connections stay open. */
  beat(): void
  end(): void
}

/** @param onSlow called once, when the client is cut off because it does not read */
export function openEventStream(
  response: ServerResponse,
  headers: Record<string, string | string[]>,
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
  write(OPENING)

  return {
    send: (event) => write(writeEventMessage(event)),
    beat: () => write(HEARTBEAT),
    end: () => response.end(),
  }
}
