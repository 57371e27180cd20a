/**
 * Passes one request on to a service and its answer back, the answer as it comes. `undici` is used bare: through
 * `node:http`'s client the same request costs half as much again (254 against 157 us of CPU, measured).
 */
import type { ServerResponse } from 'node:http'
import { Pool, type Dispatcher } from 'undici'
import type { Failure } from '../../shared/failures.ts'
import { ANSWERS } from '../answers.ts'
import type { KongService } from '../kong/types.ts'
import type { Resolve } from '../upstream/addresses.ts'
import type { Body } from '../upstream/collect-body.ts'
import { isHopByHop } from '../../shared/hop-by-hop.ts'
import type { Exchange } from './plugin.ts'
import type { Chosen } from './pods.ts'

export interface Forwarding {
  exchange: Exchange
  response: ServerResponse
  /** Path and query. */
  target: string
  headers: string[]
  body: Body
  /** Reports that the service did not answer; not called once an answer has begun. */
  fail(failure: Failure, cause: Error): void
}

export type Forward = (forwarding: Forwarding) => void

export interface Upstreams {
  /** Makes the way to one service. */
  to(service: KongService): Forward
  /** Closes the connections to an address that is used no longer; requests on them finish. */
  forget(origin: string): void
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 5_000

/**
 * @param resolve where the ingress for a host is
 * @param choosePod a pod to go to, past the ingress
 */
export function createUpstreams(
  resolve: Resolve,
  choosePod: (host: string) => Chosen | undefined,
): Upstreams {
  const pools = new Map<string, Pool>()

  function poolOf(origin: string): Pool {
    const known = pools.get(origin)
    if (known !== undefined) return known
    // no limit of connections: a stream holds one for as long as it lasts
    const pool = new Pool(origin, {
      connections: null,
      pipelining: 1,
      connect: { timeout: CONNECT_TIMEOUT_MS },
    })
    pools.set(origin, pool)
    return pool
  }

  function to(service: KongService): Forward {
    const { hostname: host, port } = new URL(service.url)
    const timeouts = { headersTimeout: service.read_timeout, bodyTimeout: service.read_timeout }

    function send(forwarding: Forwarding, chosen: Chosen | undefined, retries: number): void {
      const { exchange, target, body } = forwarding
      const headers = [...forwarding.headers, 'host', host]
      poolOf(chosen?.origin ?? resolve(host, Number(port === '' ? 80 : port))).dispatch(
        { method: exchange.method, path: target, headers, body, ...timeouts },
        createHandler(forwarding, (error, wasSent) => {
          chosen?.release()
          if (error === undefined) return
          // A function may have acted on what was sent, whatever the method. The ingress knows another pod, or waits for one.
          if (retries > 0 && !wasSent && !isTimeout(error)) send(forwarding, undefined, retries - 1)
          else forwarding.fail(isTimeout(error) ? ANSWERS.functionSlow : ANSWERS.functionUnavailable, error)
        }),
      )
    }
    return (forwarding) => send(forwarding, choosePod(host), service.retries)
  }

  return {
    to,
    forget(origin) {
      void pools.get(origin)?.close()
      pools.delete(origin)
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    },
  }
}

/**
 * Copies the answer to the client; a client that leaves ends the request to the service as well.
 *
 * @param over called once; with the error where no answer has begun, so that there is still one to give, and with whether the request
 *   had a connection by then
 */
function createHandler(
  { exchange, response }: Forwarding,
  over: (error: Error | undefined, wasSent: boolean) => void,
): Dispatcher.DispatchHandler {
  let wasSent = false
  let begun = false
  return {
    onRequestStart(controller) {
      wasSent = true
      const leave = () => {
        if (!response.writableFinished) controller.abort(new ClientGone('The client left'))
      }
      if (response.destroyed) leave()
      else response.once('close', leave)
    },
    onResponseStart(_controller, status, headers) {
      if (status < 200) return
      begun = true
      response.writeHead(status, answerHeaders(headers, exchange.answerHeaders))
      // without a length it is a stream, whose first chunk may be long in coming
      if (headers['content-length'] === undefined) response.flushHeaders()
    },
    onResponseData(controller, chunk) {
      if (response.write(chunk) || response.destroyed) return
      controller.pause()
      response.once('drain', () => controller.resume())
    },
    onResponseEnd() {
      response.end()
      over(undefined, wasSent)
    },
    onResponseError(_controller, error) {
      if (begun) response.destroy()
      over(begun || error instanceof ClientGone ? undefined : error, wasSent)
    },
  }
}

class ClientGone extends Error {}

function answerHeaders(headers: NodeJS.Dict<string | string[]>, more: Record<string, string>) {
  const answer: Record<string, string | string[]> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined && !isHopByHop(name)) answer[name] = value
  }
  return Object.assign(answer, more)
}

const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT'])

function isTimeout(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && TIMEOUTS.has(error.code)
}
