/**
 * What nginx refuses before Kong sees it, so that no request passes here that would not pass there: versions and methods, limits of
 * size, headers that may come once, and what would let two servers read one request differently. Where Node is stricter it stays so.
 */
import type { IncomingMessage } from 'node:http'
import type { Failure } from '../../shared/failures.ts'
import { ANSWERS } from '../answers.ts'

/** Of the first line, and of each header. */
const MAX_LINE_BYTES = 8_192
const MAX_HEADER_BYTES = 2 * MAX_LINE_BYTES
const MAX_HEADERS = 1_000
/** More than any limit above, so that what is too large is seen and can be named. */
export const MAX_READ_BYTES = 256 * 1024
/** Two spaces, `HTTP/1.1` and the end of the line, around method and target. */
const FIRST_LINE_REST = 12
/** The colon, a space and the end of the line, around name and value. */
const HEADER_LINE_REST = 4

/** Headers that nginx 1.25 takes once (ngx_http_headers_in). */
const SINGLE = new Set([
  'authorization',
  'content-length',
  'content-range',
  'expect',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
  'transfer-encoding',
])

const HOST = /^(?!.*\.\.)[^\s/\\]+$/
const ABSOLUTE = /^[a-z][a-z0-9+.-]*:\/\/([^/?#@]+)((?:[/?].*)?)$/i

/** Why nginx would not take the request; undefined where it would. */
export function findFault(request: IncomingMessage): Failure | undefined {
  const { method = '', url = '', headers, httpVersionMajor, httpVersionMinor } = request
  if (httpVersionMajor !== 1) return ANSWERS.versionUnsupported
  if (method.length + url.length + FIRST_LINE_REST > MAX_LINE_BYTES) return ANSWERS.urlTooLong
  const fault = findHeaderFault(request.rawHeaders)
  if (fault !== undefined) return fault
  const { host, 'transfer-encoding': coding } = headers
  if (host === undefined ? httpVersionMinor > 0 : !HOST.test(host)) return ANSWERS.malformed
  if (!url.startsWith('/') && !ABSOLUTE.test(url)) return ANSWERS.malformed
  if (method === 'TRACE' || method === 'CONNECT') return ANSWERS.methodForbidden
  if (coding === undefined) return undefined
  if (httpVersionMinor === 0 || headers['content-length'] !== undefined) return ANSWERS.malformed
  return coding.toLowerCase() === 'chunked' ? undefined : ANSWERS.encodingUnsupported
}

function findHeaderFault(rawHeaders: readonly string[]): Failure | undefined {
  if (rawHeaders.length > 2 * MAX_HEADERS) return ANSWERS.headersTooLarge
  const singles = new Set<string>()
  let total = 0
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    const bytes = name.length + (rawHeaders[index + 1] ?? '').length + HEADER_LINE_REST
    total += bytes
    if (bytes > MAX_LINE_BYTES || total > MAX_HEADER_BYTES) return ANSWERS.headersTooLarge
    const lower = name.toLowerCase()
    if (!SINGLE.has(lower)) continue
    if (singles.has(lower)) return ANSWERS.malformed
    singles.add(lower)
  }
  return undefined
}

/** Where a request goes. */
export interface Address {
  /** In origin form: path and query. */
  url: string
  host: string
}

/**
 * Reads the target in origin form or in absolute form, whose host counts more than the header (RFC 9112, section 3.2.2). Another
 * form stays as it is, and has a fault.
 */
export function readAddress({ url = '', headers: { host = '' } }: IncomingMessage): Address {
  if (url.startsWith('/')) return { url, host }
  const [, authority = host, rest = url] = ABSOLUTE.exec(url) ?? []
  return { url: rest === '' || rest.startsWith('?') ? `/${rest}` : rest, host: authority }
}

/** Names in lower case that `Connection` lists: they concern this connection only, like it (RFC 9110, section 7.6.1). */
export function namedInConnection(connection: string | undefined): readonly string[] {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return []
  return connection.split(',').map((name) => name.trim().toLowerCase())
}

/** What is wrong with a request that Node could not read. */
export function faultOf({ code }: NodeJS.ErrnoException): Failure {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return ANSWERS.headersTooLarge
    case 'HPE_INVALID_VERSION':
      return ANSWERS.versionUnsupported
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ANSWERS.tooSlow
    default:
      return ANSWERS.malformed
  }
}
