/**
 * The one HTTP server of the stand-in: finds by the Host header what a request is for, as Knative's ingress does.
 *
 * Plain node:http, because every request to a function goes through here unless its caller goes straight to the pod.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Failure } from '../../../shared/failures.ts'
import { answerFailure } from '../answer.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface Activator {
  readonly port: number
  /** Takes nothing new; resolves when the last request is answered, or cut after `graceSeconds`. */
  close(graceSeconds: number): Promise<void>
}

/** Longer than any client keeps an idle connection, so that it is never we who close one just as it is used again. */
const KEEP_ALIVE_MS = 75_000
const SWEEP_MS = 20

/**
 * Starts the server on `port` of 127.0.0.1, or on one that is free where it is 0.
 *
 * @param hosts what each Host is answered by, without a port
 */
export async function startActivator(hosts: ReadonlyMap<string, Handler>, port: number): Promise<Activator> {
  const known = new Map(hosts)
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 }, (request, response) => {
    if (isClosing) return refuse(request, response)
    const host = request.headers.host ?? ''
    const handle = known.get(host) ?? findHandler(host, known)
    if (handle !== undefined) return handle(request, response)
    const failure = new Failure('ROUTE_NOT_FOUND', `Cannot find a function for host "${host}"`)
    answerFailure(request, response, failure)
  })
  let isClosing = false
  await listen(server, port)
  const address = server.address() as AddressInfo
  return {
    port: address.port,
    async close(graceSeconds) {
      isClosing = true
      const closed = new Promise((resolve) => server.close(resolve))
      // A connection that was busy stays open when it is idle again, for as long as its client likes.
      const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS)
      const patience = setTimeout(() => server.closeAllConnections(), graceSeconds * 1000)
      await closed
      clearInterval(sweep)
      clearTimeout(patience)
    },
  }
}

function refuse(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('Connection', 'close')
  answerFailure(
    request,
    response,
    new Failure('DEPENDENCY_UNAVAILABLE', 'Cannot take the request: shutting down'),
  )
}

/** A name with a port, or in other letters, is looked up once and then known. */
function findHandler(host: string, known: Map<string, Handler>): Handler | undefined {
  const handle = known.get(host.replace(/:\d+$/, '').toLowerCase())
  if (handle !== undefined && known.size < MAX_KNOWN) known.set(host, handle)
  return handle
}

const MAX_KNOWN = 1000

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve())
  })
}
