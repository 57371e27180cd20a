/**
 * The gateway of one machine. It reads the very file that Kong reads and does what Kong would do with it: the same
 * routes, the same plugins in the same order, the same answers.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { formatTraceparent, startTrace } from '../../shared/telemetry/trace.ts'
import type { Failure } from '../../shared/failures.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { ANSWERS } from '../answers.ts'
import { problemHeaders, problemMembers } from '../../shared/problem.ts'
import { TRACEPARENT } from '../kong/request-lua.ts'
import type { KongConfig } from '../kong/types.ts'
import type { Resolve } from '../upstream/addresses.ts'
import { closeServer } from '../../shared/http/close-server.ts'
import { collectBody } from '../upstream/collect-body.ts'
import { isHopByHop } from '../../shared/hop-by-hop.ts'
import { readTarget } from '../upstream/request-path.ts'
import { createChains } from './chain.ts'
import { createUpstreams, type Forward, type Upstreams } from './forward.ts'
import { createGatewayMetrics, type CountAnswer, type GatewayMetrics } from './metrics.ts'
import type { Answer, Exchange, Plugin } from './plugin.ts'
import { createPods, type Pods } from './pods.ts'
import { findFault, namedInConnection, readAddress } from './protocol.ts'
import { createRouter, listMatches, type Match } from './router.ts'
import { createLenientServer } from './server.ts'

export interface GatewayOptions {
  config: KongConfig
  resolve: Resolve
  log: Log
  /** Part of the traces that begin here which is sampled, from 0 to 1; default is all. */
  samplingRate?: number
}

export interface Gateway {
  server: Server
  /** Pods to go to past the ingress; none until they are reported. */
  pods: Pods
  renderMetrics(): Promise<string>
  /** Takes no new connections, lets requests in flight finish for `graceMs`, then ends what is left. */
  drain(graceMs: number): Promise<void>
}

/** A route with all that a request on it needs, made once. */
interface PreparedRoute extends Match {
  plugins: readonly Plugin[]
  strips: (name: string) => boolean
  count: CountAnswer
  forward?: Forward
}

/** Headers that the gateway writes itself, in place of the client's. */
const OWN_HEADERS = new Set([
  'host',
  'expect',
  'traceparent',
  'x-real-ip',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-path',
  'x-forwarded-prefix',
])
/** Names of headers whose fate is remembered; a client may make up as many as it likes. */
const REMEMBERED_HEADERS = 1_000
/**
 * Unread bodies up to this size are read and thrown away, as Kong does: a client that still sends when its connection
 * is closed never receives the answer. A larger one ends the connection.
 */
const DISCARDED_BYTES = 16 * 1024 * 1024
const WELL_FORMED_TRACE = new RegExp(TRACEPARENT)

/** @throws TypeError where `config` needs what this gateway cannot do */
export function createGateway({ config, resolve, log, samplingRate = 1 }: GatewayOptions): Gateway {
  const metrics = createGatewayMetrics()
  const pods: Pods = createPods((origin) => upstreams.forget(origin))
  const upstreams = createUpstreams(resolve, pods.choose)
  const findRoute = createRouter(prepareRoutes(config, upstreams, metrics))
  let draining = false

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const started = performance.now()
    const { method = 'GET', headers } = request
    const { url, host } = readAddress(request)
    const exchange = createExchange(request, method, host, samplingRate)
    if (draining) exchange.answerHeaders['connection'] = 'close'
    const { path, query } = readTarget(url)
    const fault = findFault(request)
    if (fault !== undefined) {
      exchange.answerHeaders['connection'] = 'close'
      return refuse(exchange, response, path, { failure: fault })
    }
    const route = findRoute(method, path, headers)
    if (route === undefined) return refuse(exchange, response, path, { failure: ANSWERS.routeUnknown })
    response.once('close', () =>
      route.count(response.headersSent ? response.statusCode : 499, performance.now() - started),
    )
    const answer = runPlugins(route, exchange)
    if (answer !== undefined) return refuse(exchange, response, path, answer)
    if (headers.expect?.toLowerCase() === '100-continue') response.writeContinue()
    collectBody(request, exchange.maxBodyBytes, (body) => {
      if (body === 'too large') return refuse(exchange, response, path, { failure: ANSWERS.bodyTooLarge })
      route.forward?.({
        exchange,
        response,
        target: path + query,
        headers: upstreamHeaders(exchange, url, route.strips),
        body,
        fail(failure, cause) {
          log.warn({ err: cause, service: route.service?.name, path }, 'a request could not be passed on')
          refuse(exchange, response, path, { failure })
        },
      })
    })
  }

  const server = createLenientServer(handle)
  return {
    server,
    pods,
    renderMetrics: metrics.render,
    async drain(graceMs) {
      draining = true
      await closeServer(server, 0, graceMs)
      await upstreams.close()
    },
  }
}

function prepareRoutes(config: KongConfig, upstreams: Upstreams, metrics: GatewayMetrics): PreparedRoute[] {
  const matches = listMatches(config)
  const chains = createChains(config, matches)
  return matches.map((match) => {
    const plugins = chains.get(match) ?? []
    const forward = match.service === undefined ? {} : { forward: upstreams.to(match.service) }
    return { ...match, ...forward, plugins, strips: createStrip(plugins), count: metrics.forMatch(match) }
  })
}

/** What a plugin of the route answers in place of the function; undefined where the request goes on to one. */
function runPlugins({ plugins, forward }: PreparedRoute, exchange: Exchange): Answer | undefined {
  for (const plugin of plugins) {
    const answer = plugin.access?.(exchange)
    if (answer !== undefined) return answer
  }
  return forward === undefined ? { failure: ANSWERS.routeUnknown } : undefined
}

function createExchange(
  request: IncomingMessage,
  method: string,
  host: string,
  samplingRate: number,
): Exchange {
  const client = request.socket.remoteAddress ?? ''
  const given = request.headers['traceparent']
  const isKept = typeof given === 'string' && WELL_FORMED_TRACE.test(given)
  const headers = { upstreamHeaders: {}, answerHeaders: {} }
  return {
    request,
    method,
    client,
    host,
    traceparent: isKept ? given : beginTrace(samplingRate),
    keepsTraceState: isKept,
    ...headers,
    maxBodyBytes: Infinity,
  }
}

/** A new `traceparent`, sampled by its id as Kong does: its first eight bytes, the last of them the most significant. */
function beginTrace(samplingRate: number): string {
  const trace = startTrace()
  const weight = Buffer.from(trace.traceId, 'hex').readUInt32LE(4)
  return formatTraceparent({ ...trace, sampled: weight < samplingRate * 2 ** 32 })
}

/** Names, then values, one after the other, as undici takes them. */
function upstreamHeaders(
  { request, client, host, traceparent, keepsTraceState, upstreamHeaders }: Exchange,
  url: string,
  strips: (name: string) => boolean,
): string[] {
  const { rawHeaders, headers } = request
  const named = namedInConnection(headers.connection)
  const list: string[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase()
    if (strips(name) || name in upstreamHeaders || named.includes(name)) continue
    if (name === 'tracestate' && !keepsTraceState) continue
    list.push(name, rawHeaders[index + 1] as string)
  }
  for (const name in upstreamHeaders) list.push(name, upstreamHeaders[name] as string)
  const before = headers['x-forwarded-for']
  const forwarded = {
    'x-real-ip': client,
    'x-forwarded-for': before === undefined ? client : `${String(before)}, ${client}`,
    'x-forwarded-proto': 'http',
    'x-forwarded-host': host.replace(/:\d*$/, '').toLowerCase(),
    'x-forwarded-port': String(request.socket.localPort),
    'x-forwarded-path': url.split('?', 1)[0] ?? '',
    traceparent,
  }
  return list.concat(...Object.entries(forwarded))
}

/** Whether a header of the client stays behind, remembered by name. */
function createStrip(plugins: readonly Plugin[]): (name: string) => boolean {
  const tests = plugins.flatMap((plugin) => (plugin.strips === undefined ? [] : [plugin.strips]))
  const known = new Map<string, boolean>()
  return (name) => {
    const remembered = known.get(name)
    if (remembered !== undefined) return remembered
    const stays = isHopByHop(name) || OWN_HEADERS.has(name) || tests.some((test) => test(name))
    if (known.size < REMEMBERED_HEADERS) known.set(name, stays)
    return stays
  }
}

/** Answers in place of the service. */
function refuse(exchange: Exchange, response: ServerResponse, path: string, answer: Answer): void {
  if (response.headersSent || response.destroyed) return
  discard(exchange)
  const headers = {
    ...exchange.answerHeaders,
    ...('headers' in answer ? answer.headers : {}),
    ...(isUnreadable(exchange) ? { connection: 'close' } : {}),
  }
  if (!('failure' in answer)) {
    response.writeHead(answer.status, headers).end()
    return
  }
  const body = JSON.stringify(problemWith(answer.failure, path, exchange))
  response
    .writeHead(answer.failure.status, {
      ...problemHeaders(answer.failure),
      ...headers,
      'content-length': Buffer.byteLength(body),
    })
    .end(body)
}

function problemWith(failure: Failure, path: string, { traceparent }: Exchange): Record<string, unknown> {
  return { ...problemMembers(failure), path, trace_id: traceparent.slice(3, 35) }
}

function isUnreadable({ request }: Exchange): boolean {
  return Number(request.headers['content-length'] ?? 0) > DISCARDED_BYTES
}

/** Reads what is left of a body whose length nobody knows, up to the same size. */
function discard({ request }: Exchange): void {
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > DISCARDED_BYTES) request.destroy()
  })
}
