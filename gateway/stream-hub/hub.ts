/**
 * The stream hub: everything that waits, so that no function has to. It makes the client's call itself, with the
 * client's credentials, and where the answer is a job it stays on the line. Any other answer is passed on as it is.
 */
import { parseKept } from '../../shared/exact-json.ts'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { z } from 'zod'
import type { EndpointFacts } from '../../shared/contract/facts.ts'
import { SUBSCRIPTION_PATH } from '../../shared/events/subscription-stream.ts'
import { Failure } from '../../shared/failures.ts'
import type { VisibleFunction } from '../../shared/contract/visibility.ts'
import type { RoutedFunction } from '../kong/routes.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { checkCsrf } from '../../shared/identity/sessions.ts'
import { readCredential } from '../../shared/http/credential.ts'
import { EVENT_STREAM_HEADERS } from '../../shared/http/event-message.ts'
import { METHODS, methodNotAllowed } from '../../shared/http/method-not-allowed.ts'
import { answerStatus, type Status } from '../../shared/http/status.ts'
import { createRegistry } from '../../shared/telemetry/metrics.ts'
import { ANSWERS } from '../answers.ts'
import { createEndpointLookup, parametersIn } from '../endpoint-paths.ts'
import { closeServer } from '../../shared/http/close-server.ts'
import { collectBody, type Body } from '../upstream/collect-body.ts'
import { readTarget } from '../upstream/request-path.ts'
import { answerBody, answerFailure, passOn, type AnswerHeaders, type Client } from './client.ts'
import type { ReadCaller } from './callers.ts'
import { createRevocations } from './revocations.ts'
import { streamHub } from './component.ts'
import { hasEnded, JobRow } from './ending.ts'
import { passedHeaders, type Functions } from './functions.ts'
import { createHubMetrics } from './metrics.ts'
import type { NatsLink } from '../../shared/nats/link.ts'
import {
  createSubscriptions,
  type Subscriptions,
  type SubscriptionTimes,
} from './subscriptions/subscriptions.ts'
import type { ModelCalls } from './openai/calls.ts'
import { answerOpenAiFailure, OPENAI_ANSWERS } from './openai/openai.ts'
import type { TokenLogs } from './token-logs.ts'
import { createSessionStreams, type SessionStreams } from './session-stream.ts'
import { createWatching, type Watching } from './watching.ts'
import { hasSeenTheEnd, readLastEventId, readPreference } from './preference.ts'

export interface HubOptions {
  catalog: readonly (RoutedFunction & VisibleFunction)[]
  functions: Functions
  logs: TokenLogs
  readCaller: ReadCaller
  link: NatsLink
  log: Log
  /** Between comments on a silent stream; well below the time after which a proxy gives up. */
  heartbeatMs?: number
  subscriptionTimes?: Partial<SubscriptionTimes>
  /** Between word of a revocation and the checks; functions must not believe the credential any more by then. */
  revokedMs?: number
}

export interface Hub {
  server: Server
  /**
   * Ends all streams, which clients resume at another hub, and takes no new requests.
   *
   * @param openMs how long callers may take to close connections that they keep
   */
  drain(openMs?: number): Promise<void>
}

const HEARTBEAT_MS = 15_000
/** Repeated headers are to be seen, not dropped. What the gateway lets through, with all that it adds, has room in the headers. */
const SERVER_OPTIONS = { keepAliveTimeout: 65_000, joinDuplicateHeaders: true, maxHeaderSize: 32 * 1024 }
/** For answers that are on their way; streams end at once. */
const DRAIN_MS = 5_000
const MAX_BODY_BYTES = 2 ** 20
const SUBSCRIPTION_TIMES = {
  ackWaitMs: 30_000,
  abandonedMs: 3_600_000,
  recheckMs: 60_000,
  stalledMs: 300_000,
} satisfies Partial<SubscriptionTimes>
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** The answer that announces a job. */
const Accepted = z.looseObject({ job: z.object({ id: z.uuid() }) })

export const createHub = (options: HubOptions): Hub => new StreamHub(options)

class StreamHub implements Hub {
  readonly server: Server
  readonly #options: HubOptions
  readonly #watching: Watching
  readonly #subscriptions: Subscriptions
  readonly #modelCalls: ModelCalls
  readonly #sessions: SessionStreams
  readonly #status: Status
  readonly #findOwn = createEndpointLookup(streamHub.endpoints)
  readonly #findEndpoint: (method: string, path: string) => { function: string } | undefined

  constructor(options: HubOptions) {
    const { catalog, functions, logs, log, heartbeatMs = HEARTBEAT_MS, subscriptionTimes } = options
    const registry = createRegistry()
    const metrics = createHubMetrics(registry, logs)
    this.#options = options
    const revocations = createRevocations(options.link, options.revokedMs)
    this.#watching = createWatching({ functions, logs, log, metrics, revocations, heartbeatMs })
    this.#modelCalls = { functions, readCaller: options.readCaller, watching: this.#watching }
    const times = { ...SUBSCRIPTION_TIMES, heartbeatMs, ...subscriptionTimes }
    this.#subscriptions = createSubscriptions({ ...options, registry, revocations, times })
    this.#sessions = createSessionStreams({
      ...options,
      metrics,
      revocations,
      heartbeatMs,
      recheckMs: times.recheckMs,
    })
    this.#status = {
      dependencies: () => ({ nats: logs.connected }),
      metrics: () => registry.render(),
    }
    this.#findEndpoint = createEndpointLookup(
      catalog.flatMap(({ name, endpoints }) =>
        endpoints.map(({ method, path }) => ({ method, path, function: name })),
      ),
    )
    this.server = createServer(SERVER_OPTIONS, (request, response) => this.#handle(request, response))
    // the gateway limits how many headers come, and adds some
    this.server.maxHeadersCount = 0
  }

  async drain(openMs = 0): Promise<void> {
    const closed = closeServer(this.server, openMs, DRAIN_MS)
    this.#watching.end()
    this.#subscriptions.end()
    this.#sessions.end()
    await closed
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const leaving = new AbortController()
    response.once('close', () => leaving.abort())
    const client = { request, response, target: readTarget(request.url ?? '/'), left: leaving.signal }
    this.#serve(client).catch((error: unknown) => this.#answerError(client, error))
  }

  async #serve(client: Client): Promise<void> {
    const { request, target } = client
    if (answerStatus(request, client.response, this.#status)) return
    const credential = readCredential(request.headers)
    if (credential.kind === 'session' && methodOf(request) !== 'GET') checkCsrf(credential)
    const own = this.#findOwn(methodOf(request), target.path)
    if (own !== undefined) return this.#serveOwn(client, own)
    if (isSubscribe(client)) return this.#subscriptions.open(client)
    return this.#serveCall(client, await bodyOf(request))
  }

  /** What the hub answers itself, by the name in its contract. */
  readonly #own: Record<string, (client: Client, id: string) => Promise<void>> = {
    'jobs.stream': (client, id) => this.#serveStream(client, id),
    'self-kgent.events': (client, id) => this.#sessions.open(client, id),
    'subscribe.ack': async (client, id) =>
      this.#subscriptions.acknowledge(client, id, await bodyOf(client.request)),
    'subscribe.end': (client, id) => this.#subscriptions.remove(client, id),
  }

  async #serveOwn(client: Client, { name, path }: EndpointFacts): Promise<void> {
    const { id = '' } = parametersIn(path, client.target.path)
    const openAi = OPENAI_ANSWERS[name]
    if (openAi !== undefined) return openAi(this.#modelCalls, client, await bodyOf(client.request), id)
    const answer = this.#own[name]
    if (answer === undefined || !ID.test(id)) throw ANSWERS.routeUnknown
    await answer(client, id.toLowerCase())
  }

  /** `GET /v1/jobs/{id}/stream`, where the function says that the client may follow the job. */
  async #serveStream(client: Client, job: string): Promise<void> {
    const { functions, readCaller } = this.#options
    const { request, response, target, left } = client
    const answer = await functions.call('jobs', {
      method: 'GET',
      path: `/v1/jobs/${job}?follow=true`,
      headers: passedHeaders(request.headers),
      signal: left,
    })
    if (answer.status !== 200) return passOn(client, answer)
    const { job: row } = JobRow.parse(parseKept(await answer.body.text()))
    if (hasEnded(row) && hasSeenTheEnd(request.headers, target.query))
      return void response.writeHead(204).end()
    if (request.method === 'HEAD') return void response.writeHead(200, EVENT_STREAM_HEADERS).end()
    const caller = await readCaller(request.headers)
    if (caller === undefined) throw ANSWERS.functionUnavailable
    const lastEventId = readLastEventId(request.headers, target.query)
    this.#watching.openStream(client, { tenant: caller.tenant, job, row }, { lastEventId })
  }

  /** Any other request: the function answers, and where its answer is a job, the client gets what it preferred. */
  async #serveCall(client: Client, body: Body): Promise<void> {
    const { request, target, left } = client
    const method = request.method ?? 'GET'
    const endpoint = this.#findEndpoint(methodOf(request), target.path)
    if (endpoint === undefined) throw this.#unknownRoute(client)
    const path = target.path + target.query
    const streams = readPreference(request.headers).kind === 'stream'
    const headers = passedHeaders(request.headers, streams ? 'text/event-stream' : undefined)
    const { functions } = this.#options
    const answer = await functions.call(endpoint.function, { method, path, headers, body, signal: left })
    if (answer.status !== 202) return passOn(client, answer)
    const text = await answer.body.text()
    if (!(await this.#watch(client, text, withoutContent(answer.headers))))
      answerBody(client, 202, answer.headers, text)
  }

  /** Follows the job that `text` announces, as the client prefers; false where the 202 is all it gets. */
  async #watch(client: Client, text: string, headers: AnswerHeaders): Promise<boolean> {
    const preference = readPreference(client.request.headers)
    const accepted = Accepted.safeParse(JSON.parse(text))
    if (preference.kind === 'none' || !accepted.success) return false
    const caller = await this.#options.readCaller(client.request.headers)
    if (caller === undefined) return false
    const followed = { tenant: caller.tenant, job: accepted.data.job.id }
    if (preference.kind === 'wait')
      return this.#watching.answerInTime(client, followed, preference.seconds, headers)
    const lastEventId = readLastEventId(client.request.headers, client.target.query)
    this.#watching.openStream(client, followed, { headers, lastEventId })
    return true
  }

  #unknownRoute({ request, target }: Client): Failure {
    const allow = METHODS.filter(
      (method) =>
        (this.#findOwn(method, target.path) ?? this.#findEndpoint(method, target.path)) !== undefined,
    )
    return allow.length === 0
      ? ANSWERS.routeUnknown
      : methodNotAllowed(request.method ?? '', target.path, allow)
  }

  #answerError(client: Client, error: unknown): void {
    const { log } = this.#options
    const { response, target, left } = client
    if (left.aborted || response.headersSent) return void response.destroy()
    const known = error instanceof Failure ? error : ANSWERS.internal
    if (known !== error) log.error({ err: error, path: target.path }, 'unhandled error')
    else if (known.cause !== undefined) log.warn({ err: known.cause, path: target.path }, known.message)
    const own = this.#findOwn(methodOf(client.request), target.path)
    if (own?.errors === 'openai') answerOpenAiFailure(client, known)
    else answerFailure(client, known)
  }
}

/** What answers GET answers HEAD, without the body (RFC 9110, 9.3.2). */
function methodOf({ method = 'GET' }: IncomingMessage): string {
  return method === 'HEAD' ? 'GET' : method
}

/** A request that prefers no stream is answered by the function itself. */
function isSubscribe({ request, target }: Client): boolean {
  return (
    request.method === 'GET' &&
    target.path === SUBSCRIPTION_PATH &&
    readPreference(request.headers).kind === 'stream'
  )
}

function bodyOf(request: IncomingMessage): Promise<Body> {
  return new Promise((resolve, reject) => {
    collectBody(request, MAX_BODY_BYTES, (body) =>
      body === 'too large' ? reject(ANSWERS.bodyTooLarge) : resolve(body),
    )
  })
}

/** What a function said besides its body, for an answer with another body. */
function withoutContent(headers: AnswerHeaders): AnswerHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('content-')))
}
