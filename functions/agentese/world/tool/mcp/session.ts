/**
 * A conversation with somebody else's server of MCP, by the SDK's client. Each of its requests goes through the fence: to the one address
 * that was named, without redirects, bounded in size, and all of them together in number and time. What the server says is data.
 */
import type { Client, ClientOptions, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { z } from 'zod'
import type { Call } from '../../../../../shared/contract/call.ts'
import { beginningOf } from '../../../../../shared/beginning.ts'
import { Failure } from '../../../../../shared/failures.ts'
import { VERSION } from '../../../../../shared/version.ts'
import type { Redactor } from '../secrets.ts'

/** Bytes of one answer. */
const MAX_ANSWER = 1_048_576
const MAX_REQUESTS = 30
const MAX_PAGES = 20
/** For the end of a session, which the server need not answer. */
const GOODBYE_SECONDS = 2
/** Characters of what a server says that are shown to who has to find out why. */
const SHOWN = 300

export interface Server {
  url: string
  /** Lower case, with secrets filled in. */
  headers: Readonly<Record<string, string>>
  /** Origins that the tenant has allowed. */
  allow: readonly string[]
  timeoutSeconds: number
  /** The revision that it was known to speak; absent is that of whichever it offers. */
  protocol?: string
}

export interface Session {
  client: Client
  /** The revision that is spoken. */
  protocol: string
  /** Whether the server has announced meanwhile that its tools are others now. */
  announced(): boolean
  options: { signal: AbortSignal; timeout: number }
}

type Calling = Pick<Call, 'requestOutside' | 'signal'>

/**
 * Runs `work` in a session of its own.
 *
 * @throws Failure EGRESS_DENIED, DEADLINE_EXCEEDED, CANCELLED, UPSTREAM_FAILED
 */
export async function withServer<T>(
  server: Server,
  call: Calling,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const sdk = await import('@modelcontextprotocol/client')
  const fence = createFence(server, call)
  const transport = new sdk.StreamableHTTPClientTransport(new URL(server.url), {
    fetch: fence.fetch,
    reconnectionOptions: {
      maxRetries: 0,
      initialReconnectionDelay: 1,
      maxReconnectionDelay: 1,
      reconnectionDelayGrowFactor: 1,
    },
  })
  const client = new sdk.Client(
    { name: 'kgents', version: VERSION },
    {
      capabilities: {},
      versionNegotiation: { mode: 'auto' },
      jsonSchemaValidator: NO_VALIDATOR,
      inputRequired: { autoFulfill: false },
    },
  )
  let announced = false
  client.setNotificationHandler('notifications/tools/list_changed', () => {
    announced = true
  })
  const options = { signal: fence.signal, timeout: server.timeoutSeconds * 1000 + 1000 }
  try {
    const isLegacy = server.protocol !== undefined && server.protocol < '2026'
    await client.connect(transport, { ...options, ...(isLegacy ? { prior: { kind: 'legacy' } } : {}) })
    const protocol = client.getNegotiatedProtocolVersion() ?? ''
    return await work({ client, protocol, announced: () => announced, options })
  } catch (error) {
    throw fence.failure() ?? asFailure(error, server)
  } finally {
    await end(client, transport)
  }
}

/** Schemas of strangers are not compiled: our own check of arguments and results knows no pattern. */
const NO_VALIDATOR: NonNullable<ClientOptions['jsonSchemaValidator']> = {
  // reason: what passes unchecked has whatever type is wanted of it
  getValidator: () => (data) => ({ valid: true, data, errorMessage: undefined }) as never,
}

async function end(client: Client, transport: StreamableHTTPClientTransport): Promise<void> {
  if (transport.sessionId !== undefined) await transport.terminateSession().catch(() => {})
  await client.close().catch(() => {})
}

/** What the client sends its requests by, and why the last one of them failed. */
function createFence(server: Server, call: Calling) {
  const until = Date.now() + server.timeoutSeconds * 1000
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(server.timeoutSeconds * 1000)])
  let requests = 0
  let failure: Failure | undefined
  const fetch = async (
    url: string | URL,
    { method = 'GET', headers, body }: RequestInit = {},
  ): Promise<Response> => {
    // Nobody listens to what a server says of its own accord.
    if (method === 'GET') return new Response(null, { status: 405 })
    try {
      if (++requests > MAX_REQUESTS) throw upstream(server, `it takes more than ${MAX_REQUESTS} requests`)
      if (new URL(url).href !== new URL(server.url).href) throw upstream(server, 'it names another address')
      const left = Math.max(0.001, (until - Date.now()) / 1000)
      const answer = await call.requestOutside({
        url: server.url,
        method,
        headers: { ...Object.fromEntries(new Headers(headers)), ...server.headers, 'user-agent': 'kgents' },
        ...(typeof body === 'string' ? { body } : {}),
        allow: server.allow,
        timeoutSeconds: method === 'DELETE' ? Math.min(left, GOODBYE_SECONDS) : left,
        maxBytes: MAX_ANSWER,
        maxRedirects: 0,
        signal: call.signal,
      })
      return toResponse(server, answer)
    } catch (error) {
      if (error instanceof Failure && method !== 'DELETE') failure ??= error
      throw error
    }
  }
  return { fetch, signal, failure: () => failure }
}

const EMPTY = new Set([204, 205, 304])

function toResponse(
  server: Server,
  { status, headers, body }: { status: number; headers: Record<string, string>; body: Buffer },
): Response {
  if (status < 200 || status > 599) throw upstream(server, `it answered ${status}`)
  if (status > 299 && status < 400) throw upstream(server, 'it redirects, which a server of MCP must not')
  // Of the body as it came: it is unpacked by now.
  const { 'content-encoding': _, 'content-length': __, ...kept } = headers
  return new Response(EMPTY.has(status) ? null : Buffer.from(body), { status, headers: kept })
}

function asFailure(error: unknown, server: Server): Failure {
  if (error instanceof Failure) return error
  const { code, message = '' } = (error ?? {}) as { code?: unknown; message?: string }
  if (code === 'REQUEST_TIMEOUT')
    return new Failure(
      'DEADLINE_EXCEEDED',
      `Cannot call "${originOf(server)}": no answer in ${server.timeoutSeconds} s`,
    )
  const shown = typeof code === 'number' || typeof code === 'string' ? ` (${String(code)})` : ''
  return upstream(server, `it gave no usable answer${shown}`, { answer: beginningOf(message, SHOWN) })
}

export function upstream(
  server: Pick<Server, 'url'>,
  why: string,
  details: Record<string, unknown> = {},
): Failure {
  return new Failure('UPSTREAM_FAILED', `Cannot call "${originOf(server)}": ${why}`, { details })
}

function originOf({ url }: Pick<Server, 'url'>): string {
  return new URL(url).origin
}

const Page = z.looseObject({
  tools: z.array(z.unknown()).max(1000),
  nextCursor: z.string().max(10_000).optional(),
})

/** All tools that the server has, as it says them but for secrets of ours: none of them is checked yet. */
export async function listRemoteTools(
  { client, options }: Session,
  server: Server,
  redactor: Redactor,
): Promise<unknown[]> {
  const tools: unknown[] = []
  let cursor: string | undefined
  for (let page = 0; page < MAX_PAGES; page++) {
    const params = cursor === undefined ? {} : { cursor }
    const answer = await client.request({ method: 'tools/list', params }, Page, options)
    tools.push(...answer.tools.map(redactor.json))
    cursor = answer.nextCursor
    if (cursor === undefined) return tools
  }
  throw upstream(server, `its list of tools has more than ${MAX_PAGES} pages`)
}
