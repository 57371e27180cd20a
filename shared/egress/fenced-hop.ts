/** One step of a fenced request: what is sent, and to where an answer sends it on. */
import { Failure } from '../failures.ts'
import { denied } from './destination.ts'
import { isHopByHop } from '../hop-by-hop.ts'
import { beginningOf } from '../beginning.ts'

export interface Hop {
  url: URL
  method: string
  /** Names in lower case. */
  headers: Record<string, string>
  body: string | Buffer | undefined
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** These describe what is wanted and in which form, and nothing of the requester; no other header goes to another origin. */
const TELLS_NOTHING = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'content-encoding',
  'content-language',
  'content-type',
  'user-agent',
])
/** Headers that the HTTP client sets itself. */
const OURS = new Set(['host', 'content-length', 'upgrade'])
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/

/**
 * Headers as they are sent; bodies are requested without compression.
 *
 * @throws Failure TYPE_MISMATCH for a header that cannot be sent; its value is not in the message
 */
export function toHeaders(given: Readonly<Record<string, string>>): Record<string, string> {
  const headers: Record<string, string> = { 'accept-encoding': 'identity' }
  for (const [name, value] of Object.entries(given)) {
    const lower = name.toLowerCase()
    const sendable = NAME.test(lower) && !isHopByHop(lower) && !OURS.has(lower) && isHeaderValue(value)
    if (!sendable) {
      throw new Failure(
        'TYPE_MISMATCH',
        `Cannot send header "${beginningOf(name, 60)}": it is not one to be set`,
      )
    }
    headers[lower] = value
  }
  return headers
}

/** Visible characters of Latin-1, spaces and tabs. */
function isHeaderValue(value: string): boolean {
  return /^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(value)
}

/**
 * The request that `response` sends on to; undefined where it is an answer.
 *
 * @throws Failure EGRESS_DENIED where it leads from https to http
 */
export function nextHop(
  { url, method, headers, body }: Hop,
  response: { status: number; headers: Record<string, string> },
): Hop | undefined {
  const { location } = response.headers
  if (!REDIRECTS.has(response.status) || location === undefined) return undefined
  const to = URL.parse(location, url.href)
  if (to === null) throw denied(url.origin, 'it redirects to something that is no URL')
  if (url.protocol === 'https:' && to.protocol !== 'https:') {
    throw denied(url.origin, 'it redirects from https to something else')
  }
  const kept = to.origin === url.origin ? headers : only(TELLS_NOTHING, headers)
  return asksAgain(response.status, method)
    ? { url: to, method: 'GET', headers: withoutContent(kept), body: undefined }
    : { url: to, method, headers: kept, body }
}

/** As browsers do it: a POST that was answered 301 or 302 goes on as a GET. */
function asksAgain(status: number, method: string): boolean {
  if (status === 303) return method !== 'GET' && method !== 'HEAD'
  return (status === 301 || status === 302) && method === 'POST'
}

function only(names: ReadonlySet<string>, headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => names.has(name)))
}

function withoutContent(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('content-')))
}
