/**
 * The HTTP edge of a function process: its public routes, the calls that `logos` dispatches to it (`POST /`), and the
 * deliveries of Triggers (`POST /events`, `/ticks`, `/dead-letters`). Here, and only here, requests become calls and failures become answers.
 */
import { isIP } from 'node:net'
import type { HttpBindings } from '@hono/node-server'
import { Hono, type Context } from 'hono'
import { textOfResult } from '../agentese/manifest/describe.ts'
import type { Envelope } from '../contract/answers.ts'
import { findAspect } from '../contract/find-aspect.ts'
import { acts, takesBody, takesParameters, type Format } from '../contract/facts.ts'
import { Pieces } from '../contract/pieces.ts'
import type { Endpoint, FunctionDefinition } from '../contract/function.ts'
import type { KgentsEvent } from '../events/event.ts'
import { Failure } from '../failures.ts'
import { RequestDeadline } from '../calls/deadline.ts'
import { invoke } from '../pipeline/invoke.ts'
import type { Answer, Credential, Request as Call } from '../pipeline/invocation.ts'
import type { Runtime } from '../calls/runtime.ts'
import { readDeadline, readPriority } from '../jobs/queueing.ts'
import { takeDeadLetter } from '../pipeline/take-dead-letter.ts'
import { takeEvent } from '../pipeline/take-event.ts'
import { takeTick } from '../pipeline/take-tick.ts'
import { readTraceparent, formatTraceparent, type TraceContext } from '../telemetry/trace.ts'
import { prefersEventStream, prefersPlainText } from './accept.ts'
import { connectionOf } from './connection.ts'
import { originIn, readCookie, writeCookie } from './cookies.ts'
import { bearerOf, readCredential } from './credential.ts'
import { DispatchedCall } from './dispatch.ts'
import { EVENT_STREAM_HEADERS, LAST_EVENT_ID, OPENING, writeEventMessage } from './event-message.ts'
import { keptAnswer, knows } from './kept-answer.ts'
import { methodNotAllowed } from './method-not-allowed.ts'
import { oauthError, scimError } from './foreign-errors.ts'
import { openAiError } from './openai-error.ts'
import { isBug, problemOf } from './problem.ts'
import { asFailure } from '../database/database.ts'
import { decodeBody, readBytes, readJsonObject } from './read-body.ts'
import { isForm, readForm } from './read-form.ts'
import { readEventList } from './read-event-list.ts'
import { readEvent, type RequestHeaders } from './read-event.ts'
import { asksForDryRun, checkUrlText, readPostQuery, readQuery } from './read-query.ts'
import { answerOfRoute, readTyped } from './aspect-routes.ts'

/** Makes the app that serves the functions of `runtime`. */
export function createApp(runtime: Runtime): Hono {
  const app = new Hono()
  app.get('/health/live', (context) => context.json({ status: 'ok' }))
  for (const { definition, endpoint } of routesOf(runtime)) {
    app.on(endpoint.method, endpoint.path, (context) => serve(context, runtime, definition, endpoint))
  }
  app.post('/', (context) => serveDispatched(context, runtime))
  app.post('/events', (context) => serveEvent(context, runtime))
  app.post('/ticks', (context) => serveTick(context, runtime))
  app.post('/dead-letters', (context) => serveDeadLetter(context, runtime))
  app.notFound((context) => answerError(context, runtime, unknownRoute(context, runtime), startOf(context)))
  return app
}

/** All routes, exact ones first: the first that fits serves, and a process may serve several functions. */
function routesOf({ functions }: Runtime) {
  const routes = functions.flatMap((definition) =>
    definition.endpoints.map((endpoint) => ({ definition, endpoint })),
  )
  const parameters = ({ endpoint }: (typeof routes)[number]) => endpoint.path.split('/:').length
  return routes.sort((a, b) => parameters(a) - parameters(b))
}

/** A public request: credentials from headers, input from path, query and body. */
async function serve(context: Context, runtime: Runtime, definition: FunctionDefinition, endpoint: Endpoint) {
  const headers = headersOf(context)
  const trace = readTraceparent(headers['traceparent'])
  try {
    const credential = readCredential(headers)
    if (hasSeenTheEnd(endpoint, headers)) return new Response(null, { status: 204 })
    return await answer(context, runtime, endpoint, {
      endpoint,
      function: definition,
      ...pathOf(endpoint, context.req.param('holon')),
      ...(asksForDryRun(context.req.url) ? { dryRun: true } : {}),
      credential,
      readInput: () => inputOf(context, endpoint),
      ...optional('archetype', headers['x-observer-archetype']),
      ...optional('idempotencyKey', headers['idempotency-key']),
      ...optional('claimedTenant', headers['x-tenant-id']),
      queueing: {
        priority: readPriority(headers['priority']),
        deadline: readDeadline(headers['x-deadline']),
      },
      ...optional('address', addressIn(headers)),
      browser: () => browserOf(headers, runtime),
      trace,
      deadline: new RequestDeadline(connectionOf(context), definition.scale.timeoutSeconds),
      answerHeaders: {},
    })
  } catch (error) {
    return answerError(context, runtime, error, trace)
  }
}

function browserOf(headers: RequestHeaders, { publicOrigin }: Runtime) {
  return { origin: publicOrigin ?? originIn(headers), signIn: readCookie(headers, 'sign-in') }
}

/** What the gateway has seen; whatever is no address is not believed. */
function addressIn(headers: RequestHeaders): string | undefined {
  const address = headers['x-real-ip']
  return address !== undefined && isIP(address) !== 0 ? address : undefined
}

/** Whether a client repeats a call only because the stream that answered it has ended: it is not made again. */
function hasSeenTheEnd(endpoint: Endpoint, headers: RequestHeaders): boolean {
  return headers['last-event-id'] === LAST_EVENT_ID && acts(endpoint) && prefersEventStream(headers['accept'])
}

/** A call that came to `logos` and belongs here: the same pipeline, with the token that `logos` made for it. */
async function serveDispatched(context: Context, runtime: Runtime): Promise<Response> {
  const headers = headersOf(context)
  const trace = readTraceparent(headers['traceparent'])
  try {
    const request = context.req.raw
    const event = await readEvent(request, headers)
    const { path, input, archetype, idempotencyKey, dryRun, parent, inner } = readDispatched(event)
    const { definition, endpoint } = endpointFor(runtime, path)
    return await answer(context, runtime, endpoint, {
      endpoint,
      function: definition,
      path,
      ...optional('dryRun', dryRun),
      ...optional('parent', parent),
      ...optional('inner', inner),
      credential: dispatchCredential(headers),
      readInput: async () => input,
      ...optional('archetype', archetype),
      ...optional('idempotencyKey', idempotencyKey),
      trace,
      deadline: new RequestDeadline(connectionOf(context), definition.scale.timeoutSeconds),
      answerHeaders: {},
    })
  } catch (error) {
    return answerError(context, runtime, error, trace)
  }
}

function readDispatched({ id, data }: KgentsEvent): DispatchedCall {
  const call = DispatchedCall.safeParse(data)
  if (call.success) return call.data
  throw new Failure('EVENT_SYNTAX', `Cannot read event "${id}": its data is no call`)
}

/** A Trigger's delivery. The answer is empty: Knative takes a body that is no CloudEvent for a failure. */
async function serveEvent(context: Context, runtime: Runtime): Promise<Response> {
  const request = context.req.raw
  try {
    await takeEvent(await readEvent(request, headersOf(context)), runtime, request.signal)
    return new Response(null, { status: 202 })
  } catch (error) {
    return answerError(context, runtime, error, startOf(context))
  }
}

/** The relay's event that something is due. It carries nothing, so it needs no proof: it only makes what is due anyway happen now. */
async function serveTick(context: Context, runtime: Runtime): Promise<Response> {
  try {
    await takeTick(runtime, context.req.raw.signal)
    return new Response(null, { status: 202 })
  } catch (error) {
    return answerError(context, runtime, error, startOf(context))
  }
}

/** An event that another function did not take. One that is refused here is gone, so that is logged. */
async function serveDeadLetter(context: Context, runtime: Runtime): Promise<Response> {
  const request = context.req.raw
  const headers = headersOf(context)
  try {
    await takeDeadLetter(await readEvent(request, headers), runtime, request.signal)
    return new Response(null, { status: 202 })
  } catch (error) {
    const { 'ce-id': event, 'ce-type': type, 'ce-knativeerrordest': destination } = headers
    runtime.log.warn({ err: error, event, type, destination }, 'a dead letter was not kept')
    return answerError(context, runtime, error, startOf(context))
  }
}

async function answer(context: Context, runtime: Runtime, endpoint: Endpoint, call: Call): Promise<Response> {
  try {
    return write(context, endpoint, await invoke(call, runtime), call)
  } catch (error) {
    const path = call.path ?? new URL(context.req.url).pathname
    const errors = errorsFor(endpoint, headersOf(context))
    if (errors === 'mcp')
      return withMetadata(answerError(context, runtime, error, call.trace, call.answerHeaders), call)
    if (errors !== undefined && !isBug(error)) return answerForeign(error, errors, call)
    return answerError(context, runtime, error, call.trace, call.answerHeaders, path)
  }
}

/** Names the metadata of the resource in a challenge (RFC 9728, 5.1). */
function withMetadata(response: Response, { browser }: Call): Response {
  const { origin = '' } = browser?.() ?? {}
  if (response.status === 401)
    response.headers.set(
      'WWW-Authenticate',
      `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`,
    )
  return response
}

/** How failures are written to this client; undefined is as problem details. */
function errorsFor({ errors }: Endpoint, headers: RequestHeaders): Endpoint['errors'] {
  return errors === 'oauth' && !isForm(headers['content-type']) ? undefined : errors
}

const FOREIGN = { oauth: oauthError, scim: scimError, openai: openAiError }

function answerForeign(
  error: unknown,
  errors: keyof typeof FOREIGN,
  { answerHeaders, trace }: Call,
): Response {
  const failure = asFailure(error) as Failure // reason: it is no bug
  const { status, headers, body } = FOREIGN[errors](failure)
  const { retryAfterSeconds } = failure.facts
  const retry = retryAfterSeconds === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterSeconds)) }
  const all = { ...answerHeaders, ...headers, ...retry, traceparent: formatTraceparent(trace) }
  return new Response(JSON.stringify(body), { status, headers: all })
}

/** Made without the context's help, which copies headers into a `Headers` that the server then takes apart again. */
function write(context: Context, endpoint: Endpoint, answered: Answer, call: Call): Response {
  const { accept } = headersOf(context)
  if (answered.status === 200 && acts(endpoint) && prefersEventStream(accept))
    return writeStream(answered.body, call)
  const { status, body, cookies } = answerOfRoute(endpoint, answered, call)
  const asText = manifestText(body, accept)
  const headers = {
    ...HEADERS_OF_FORMAT[asText === undefined ? endpoint.format : 'text'],
    ...(endpoint.errors === 'oauth' ? { 'Cache-Control': 'no-store' } : {}),
    ...(endpoint.errors === 'scim' ? { 'Content-Type': 'application/scim+json' } : {}),
    ...call.answerHeaders,
    traceparent: formatTraceparent(call.trace),
  }
  if (status === 204) return setCookies(new Response(null, { status, headers }), cookies, context)
  if (endpoint.maxAgeSeconds === undefined || status !== 200) {
    return setCookies(
      new Response(asText ?? bodyOf(endpoint.format, body), { status, headers }),
      cookies,
      context,
    )
  }
  const kept = keptAnswer(endpoint, body, () => textOf(endpoint.format, body))
  const known = headersOf(context)['if-none-match']
  return knows(known, kept.etag)
    ? new Response(null, { status: 304, headers: { ...kept.headers, traceparent: headers.traceparent } })
    : new Response(kept.text, { status, headers: { ...headers, ...kept.headers } })
}

/** Nobody but the browser keeps an answer with a cookie. */
function setCookies(response: Response, cookies: Answer['cookies'] = [], context: Context): Response {
  for (const cookie of cookies) {
    response.headers.append('Set-Cookie', writeCookie(cookie, headersOf(context)))
    response.headers.set('Cache-Control', 'no-store')
  }
  return response
}

/** An answer that took no model, as the stream that the stream hub sends of one that did: its last event. */
function writeStream(body: unknown, { answerHeaders, trace }: Call): Response {
  const { meta, ...members } = body as Partial<Envelope>
  const data = { ...members, chunks: 0, ...(meta === undefined ? {} : { charges: meta.charges, meta }) }
  const text = OPENING + writeEventMessage({ event: 'complete', id: LAST_EVENT_ID, data })
  const headers = { ...answerHeaders, ...EVENT_STREAM_HEADERS, traceparent: formatTraceparent(trace) }
  return new Response(text, { headers })
}

/** What an answer of a known length is written as, and one that comes in pieces. Of a PDF, each character is a byte. */
function bodyOf(format: Format, body: unknown): string | Uint8Array<ArrayBuffer> | ReadableStream {
  if (body instanceof Pieces) return body.toStream()
  const text = textOf(format, body)
  return format === 'pdf' ? new Uint8Array(Buffer.from(text, 'latin1')) : text
}

function textOf(format: Format, body: unknown): string {
  return format === 'json' ? JSON.stringify(body) : String(body)
}

/** A page declares itself what it may load; that nobody may frame it can only be declared in a header. */
const HEADERS_OF_FORMAT: Record<Format, Record<string, string>> = {
  json: { 'Content-Type': 'application/json' },
  text: { 'Content-Type': 'text/plain; charset=UTF-8' },
  ndjson: { 'Content-Type': 'application/x-ndjson' },
  pdf: {
    'Content-Type': 'application/pdf',
    'Cache-Control': 'private, no-store',
    'X-Content-Type-Options': 'nosniff',
  },
  html: {
    'Content-Type': 'text/html; charset=UTF-8',
    'Content-Security-Policy': "frame-ancestors 'none'",
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
  },
  javascript: { 'Content-Type': 'text/javascript; charset=UTF-8', 'X-Content-Type-Options': 'nosniff' },
  css: { 'Content-Type': 'text/css; charset=UTF-8', 'X-Content-Type-Options': 'nosniff' },
}

/** The text form of a manifest, for those who request text; undefined for everybody and everything else. */
function manifestText(body: unknown, accept = ''): string | undefined {
  if (!prefersPlainText(accept)) return undefined
  return textOfResult((body as { result?: unknown }).result)
}

function answerError(
  context: Context,
  runtime: Runtime,
  error: unknown,
  trace: TraceContext,
  answerHeaders: Record<string, string> = {},
  path = new URL(context.req.url).pathname,
): Response {
  if (isBug(error))
    runtime.log.error({ err: error, trace_id: trace.traceId, path }, 'a request failed by a bug')
  const { status, headers, body } = problemOf(error, path, trace.traceId)
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...answerHeaders, ...headers, traceparent: formatTraceparent(trace) },
  })
}

/**
 * A body on GET or DELETE has no meaning, nor has a query on POST and PATCH but for `dry_run`, which an operation that knows of none
 * refuses; what the path gives, nothing else may give. The path of an aspect names the holon, and that is no input.
 */
async function inputOf(context: Context, endpoint: Endpoint): Promise<unknown> {
  const { url } = context.req
  const parameters = context.req.param()
  checkUrlText(parameters)
  if (!takesBody(endpoint)) return { ...readTyped(endpoint, readQuery(url)), ...parameters }
  const dryRun = readPostQuery(url).dry_run ? { dry_run: true } : {}
  if (endpoint.body === 'signed') {
    const signature = headersOf(context)['stripe-signature'] ?? ''
    return { payload: decodeBody(await readBytes(context.req.raw)), signature }
  }
  if (endpoint.body === 'cloudevents') {
    return { events: await readEventList(context.req.raw, headersOf(context)), ...dryRun, ...parameters }
  }
  if (endpoint.body === 'json-rpc')
    return { message: await readJsonObject(context.req.raw), headers: mcpHeaders(headersOf(context)) }
  const readsForm = endpoint.body === 'form' && isForm(headersOf(context)['content-type'])
  const body = await (readsForm ? readForm(context.req.raw) : readJsonObject(context.req.raw))
  if (endpoint.route !== undefined) return { ...body, ...parameters }
  return takesParameters(endpoint) ? { ...body, ...dryRun, ...parameters } : body
}

/** Those in which a request of MCP repeats what its message is. */
function mcpHeaders(headers: RequestHeaders): Record<string, string> {
  const own = Object.entries(headers).filter(([name]) => name.startsWith('mcp-'))
  return Object.fromEntries(own.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}

/** The path that an aspect is called by: its own, with the holon that the URL names. */
function pathOf({ aspect }: Endpoint, holon = ''): { path?: string } {
  return aspect === undefined ? {} : { path: aspect.path.replace('*', () => holon) }
}

function dispatchCredential(headers: RequestHeaders): Credential {
  const token = bearerOf(headers['authorization'])
  return token === undefined ? { kind: 'none' } : { kind: 'dispatch', token }
}

function endpointFor(runtime: Runtime, path: string) {
  const found = findAspect(runtime.functions, path)
  if (found !== undefined) return found
  throw new Failure('NODE_NOT_REGISTERED', `Cannot find "${path}" on this function`)
}

function unknownRoute(context: Context, runtime: Runtime): Failure {
  const { method } = context.req
  const { pathname } = new URL(context.req.url)
  const endpoints = runtime.functions.flatMap((each) => each.endpoints)
  const others = [...new Set(endpoints.filter(({ path }) => fits(path, pathname)).map((each) => each.method))]
  if (others.length > 0) return methodNotAllowed(method, pathname, others)
  return new Failure('ROUTE_NOT_FOUND', `Cannot find ${method} ${pathname}`, {
    suggestion: 'GET /v1/agentese/discover lists every path',
    available: endpoints.slice(0, 20).map((each) => `${each.method} ${each.path}`),
  })
}

/** Whether a URL path is one of `pattern`, in which `:name` stands for one segment. */
function fits(pattern: string, pathname: string): boolean {
  const wanted = pattern.split('/')
  const given = pathname.split('/')
  return (
    wanted.length === given.length &&
    wanted.every((segment, at) => segment.startsWith(':') || segment === given[at])
  )
}

/** As Node has parsed them: to make a `Headers` of them costs more than to read an event. */
function headersOf(context: Context): RequestHeaders {
  const { incoming } = (context.env ?? {}) as Partial<HttpBindings>
  const headers = incoming?.headers ?? Object.fromEntries(context.req.raw.headers)
  return headers as RequestHeaders // reason: Node makes a list of no header that a request may have
}

function startOf(context: Context): TraceContext {
  return readTraceparent(headersOf(context)['traceparent'])
}

function optional<K extends string, V>(name: K, value: V | undefined): { [key in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [key in K]?: V })
}
