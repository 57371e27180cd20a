/**
 * Requests to addresses that tenants name: webhook sinks, HTTP tools. Fenced, because whoever names an address would
 * like this process to fetch what only it can reach.
 *
 * The addresses of a name are checked where the connection is made, so the address that was checked is the one that is
 * connected to, whatever the name server answers a moment later. Each redirect is a new request with the same checks. Time
 * and sizes are bounded for the whole exchange, what is unpacked included.
 */
import type { LookupFunction } from 'node:net'
import { callbackify } from 'node:util'
import { buildConnector, Client, type Dispatcher } from 'undici'
import { Failure } from '../failures.ts'
import { checkAddresses, readDestination, type Destination, type EgressRules } from './destination.ts'
import { nextHop, toHeaders, type Hop } from './fenced-hop.ts'
import { readBounded, readExcerpt, TooLarge, UnknownEncoding } from './read-bounded.ts'
import { resolvePublicName, resolveTrustedName, type ResolveName } from './resolve-name.ts'

export interface FencedRequest extends EgressRules {
  url: string
  method: string
  headers?: Readonly<Record<string, string>>
  body?: string | Buffer
  /** For everything together: names, connections, redirects, the body. */
  timeoutSeconds: number
  /** Of the answer's body, unpacked. */
  maxBytes: number
  /** The status is all that matters: as much of the body as comes is given, and how it ends is no failure. */
  excerpt?: boolean
  /** At most 3; absent is 3. */
  maxRedirects?: number
  signal?: AbortSignal
  /** How public names are resolved; for tests. */
  resolve?: ResolveName
}

export interface FencedResponse {
  status: number
  /** Names in lower case. */
  headers: Record<string, string>
  body: Buffer
  /** Where the answer came from in the end. */
  url: string
}

const MAX_REDIRECTS = 3
const MAX_HEADER_BYTES = 16_384

/**
 * Sends one request, and follows where it is sent on to. Any status is an answer, 500 as well.
 *
 * @throws Failure EGRESS_DENIED where it may not go there, UPSTREAM_FAILED where no usable answer came,
 *   DEADLINE_EXCEEDED after `timeoutSeconds`, CANCELLED when `signal` aborts
 */
export async function fencedRequest(wanted: FencedRequest): Promise<FencedResponse> {
  const time = AbortSignal.timeout(Math.ceil(wanted.timeoutSeconds * 1000))
  const signal = wanted.signal === undefined ? time : AbortSignal.any([time, wanted.signal])
  let destination = readDestination(wanted.url, wanted)
  const headers = toHeaders(wanted.headers ?? {})
  let hop: Hop = { url: destination.url, method: wanted.method, headers, body: wanted.body }
  for (let left = Math.min(wanted.maxRedirects ?? MAX_REDIRECTS, MAX_REDIRECTS); ; left--) {
    const response = await exchange(hop, destination, wanted, signal)
    const next = nextHop(hop, response)
    if (next === undefined || wanted.maxRedirects === 0) return response
    if (left === 0) throw failed(hop.url, 'it redirects too often')
    destination = readDestination(next.url.href, wanted)
    hop = next
  }
}

async function exchange(
  hop: Hop,
  destination: Destination,
  wanted: FencedRequest,
  signal: AbortSignal,
): Promise<FencedResponse> {
  const { url, method, headers, body } = hop
  const client = createClient(destination, wanted)
  // A request that is not connected yet would not hear the signal itself.
  const giveUp = () => void client.destroy(new Error('given up')).catch(() => {})
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    signal.throwIfAborted()
    const options = { path: `${url.pathname}${url.search}`, method, headers }
    const answer = await client.request({ ...options, body: body ?? null, signal })
    const answered = plain(answer.headers)
    const { maxBytes, excerpt = false } = wanted
    const read = excerpt
      ? await readExcerpt(answer.body, maxBytes)
      : await readBounded(answer.body, answered['content-encoding'], maxBytes)
    return { status: answer.statusCode, headers: answered, body: read, url: url.href }
  } catch (error) {
    throw asFailure(error, url, wanted, signal)
  } finally {
    signal.removeEventListener('abort', giveUp)
    // Also ends an answer that is still on its way.
    giveUp()
  }
}

/** One client for one exchange: no connection is used again for what somebody else resolved. */
function createClient(destination: Destination, { timeoutSeconds, resolve }: FencedRequest): Client {
  const milliseconds = Math.ceil(timeoutSeconds * 1000)
  const lookup = createLookup(destination, resolve ?? resolvePublicName)
  return new Client(destination.url.origin, {
    connect: buildConnector({ lookup, timeout: milliseconds, allowH2: false, autoSelectFamily: true }),
    allowH2: false,
    headersTimeout: milliseconds,
    bodyTimeout: milliseconds,
    maxHeaderSize: MAX_HEADER_BYTES,
  })
}

/** Called by the socket itself. What is an address already is not looked up: that was checked with the URL. */
function createLookup({ url, mayBePrivate }: Destination, resolve: ResolveName): LookupFunction {
  const find = async (name: string) => {
    const addresses = await (mayBePrivate ? resolveTrustedName(name) : resolve(name))
    if (addresses.length === 0) throw failed(url, 'its name has no address')
    if (!mayBePrivate) checkAddresses(url.origin, addresses)
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
  const findAll = callbackify(find)
  return (name, { all = false }, callback) => {
    findAll(name, (error, found) => {
      if (error !== null || all) callback(error, found)
      else callback(null, found[0]?.address ?? '', found[0]?.family)
    })
  }
}

function plain(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), Array.isArray(value) ? value.join(', ') : value]],
    ),
  )
}

const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])

/** Names the origin and never the path, which may be a secret by itself; nothing of headers, and nothing of the answer. */
function asFailure(
  error: unknown,
  url: URL,
  { maxBytes, timeoutSeconds }: FencedRequest,
  { aborted, reason }: AbortSignal,
): Failure {
  if (error instanceof Failure) return error
  const code = codeOf(error)
  if (TIMEOUTS.has(code) || (aborted && isTimeout(reason))) {
    return new Failure('DEADLINE_EXCEEDED', `Cannot call "${url.origin}": no answer in ${timeoutSeconds} s`)
  }
  if (aborted) return new Failure('CANCELLED', `Cannot call "${url.origin}": it is no longer wanted`)
  if (error instanceof TooLarge) return failed(url, `its answer is larger than ${maxBytes} bytes`)
  if (error instanceof UnknownEncoding) return failed(url, 'its answer is packed in a way that is not taken')
  return failed(url, code === '' ? 'it gave no usable answer' : `it gave no usable answer (${code})`, error)
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === 'TimeoutError'
}

/** Such as ECONNREFUSED, or "" where there is none. */
function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? code : ''
}

function failed({ origin }: URL, why: string, cause?: unknown): Failure {
  return new Failure('UPSTREAM_FAILED', `Cannot call "${origin}": ${why}`, { cause })
}
