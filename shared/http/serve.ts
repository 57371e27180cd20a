/** Runs an app as a Knative function does: on one port, until SIGTERM, finishing what is under way. */
import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import type { Hono } from 'hono'
import { closeServer, OPEN_MS } from './close-server.ts'

export interface Serving {
  server: Server
  /** Answers what is under way or on its way, asks callers to close their connections, and closes. */
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
    const address = hostname === undefined ? {} : { hostname }
    const server = serve({ fetch: app.fetch, port, serverOptions: SERVER_OPTIONS, ...address }, () =>
      resolve({ server, drain: () => closeServer(server, OPEN_MS) }),
    ) as Server
    // the gateway limits how many headers come, and adds some
    server.maxHeadersCount = 0
    server.once('error', reject)
  })
}
