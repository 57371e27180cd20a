/** Ends a server in order. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

/** How often connections are looked at while the server ends. */
const SWEEP_MS = 20

/**
 * How long connections of callers that keep them may stay open: a request may be on its way on one that is idle, and be
 * lost if it were closed here.
 */
export const OPEN_MS = 2_000

/**
 * Answers with `Connection: close` until callers have closed their connections or `openMs` is over; then takes nothing
 * new, lets requests in flight finish for `graceMs`, and ends what is left.
 */
export async function closeServer(server: Server, openMs: number, graceMs?: number): Promise<void> {
  server.prependListener('request', endAfterAnswer)
  const count = promisify(server.getConnections.bind(server))
  for (const until = performance.now() + openMs; performance.now() < until && (await count()) > 0;)
    await delay(SWEEP_MS)

  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  // Node ends idle connections once, when the server closes; those that become idle later must be ended by us.
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS)
  const late = graceMs === undefined ? undefined : setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearInterval(sweep)
  clearTimeout(late)
}

function endAfterAnswer(_request: IncomingMessage, response: ServerResponse): void {
  response.shouldKeepAlive = false
}
