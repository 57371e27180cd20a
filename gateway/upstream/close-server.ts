/** Ends a server in order. */
import type { Server } from 'node:http'

/** Node ends idle connections once, when the server closes; those that become idle later must be ended by us. */
const SWEEP_MS = 20

/** Takes no new connections, lets requests in flight finish for `graceMs`, then ends what is left. */
export async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS)
  const late = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearInterval(sweep)
  clearTimeout(late)
}
