/** Runs an app as a Knative function does: on one port, until SIGTERM, finishing what is under way. */
import { serve, type ServerType } from '@hono/node-server'
import type { Hono } from 'hono'

export interface Serving {
  server: ServerType
  /** Takes nothing new, waits for what is under way, and closes. */
  drain(): Promise<void>
}

/** Who calls closes an idle connection first (queue-proxy after 90 s): a request never meets one that is being closed here. */
const KEEP_ALIVE_MS = 100_000
/** Repeated headers are to be seen, not dropped. What the gateway lets through, with all that it adds, has room in the headers. */
const SERVER_OPTIONS = {
  keepAliveTimeout: KEEP_ALIVE_MS,
  joinDuplicateHeaders: true,
  maxHeaderSize: 32 * 1024,
}

/** Serves `app`, on all addresses unless one is named: Node would resolve even `0.0.0.0`. Resolves when it listens. */
export function startServing(app: Hono, port: number, hostname?: string): Promise<Serving> {
  return new Promise((resolve, reject) => {
    const server = serve(
      {
        fetch: app.fetch,
        port,
        serverOptions: SERVER_OPTIONS,
        ...(hostname === undefined ? {} : { hostname }),
      },
      () => resolve({ server, drain }),
    )
    // the gateway limits how many headers come, and adds some
    if ('maxHeadersCount' in server) server.maxHeadersCount = 0
    server.once('error', reject)
    const drain = (): Promise<void> =>
      new Promise((done) => {
        server.close(() => done())
        if ('closeIdleConnections' in server) server.closeIdleConnections()
      })
  })
}
