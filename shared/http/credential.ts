/**
 * Reads the credential of a request. One request has one: with two it would be up to the reader which of them counts,
 * and two readers in a row could choose differently.
 *
 * The servers that call this have `joinDuplicateHeaders` on; Node drops a repeated `Authorization` without it.
 */
import { Failure } from '../failures.ts'
import type { Credential } from '../pipeline/invocation.ts'
import { hostIn, readCookie, type AddressHeaders } from './cookies.ts'

export interface CredentialHeaders extends AddressHeaders {
  authorization?: string | undefined
  'x-api-key'?: string | string[] | undefined
  'x-csrf-token'?: string | string[] | undefined
  origin?: string | undefined
  'sec-fetch-site'?: string | string[] | undefined
}

/** Repeated headers arrive joined. Neither of these schemes has a comma of its own, and no API key has. */
const REPEATED = /^(bearer|basic)\s.*,|,\s*(bearer|basic)\s/i

/**
 * Any `Authorization` is a token, if not a good one: who sends another scheme is not taken for a guest. The cookie of a session
 * counts only without both headers: a browser sends it by itself.
 *
 * @throws Failure CREDENTIALS_AMBIGUOUS for both headers, and for one that is repeated
 */
export function readCredential(headers: CredentialHeaders): Credential {
  const { authorization = '', 'x-api-key': key } = headers
  if (key === undefined && authorization === '') return readSession(headers)
  if (key !== undefined && (authorization !== '' || String(key).includes(','))) throw twoCredentials()
  if (REPEATED.test(authorization)) throw twoCredentials()
  if (key !== undefined) return { kind: 'api-key', key: String(key) }
  const token = bearerOf(authorization) ?? authorization
  return API_KEY.test(token) ? { kind: 'api-key', key: token } : { kind: 'token', token }
}

/** Directories that speak SCIM send a key as a bearer token; no token of ours begins so. */
const API_KEY = /^kg_/

function readSession(headers: CredentialHeaders): Credential {
  const token = headers.cookie === undefined ? undefined : readCookie(headers, 'session')
  if (token === undefined || token === '') return { kind: 'none' }
  const csrf = headers['x-csrf-token']
  return {
    kind: 'session',
    token,
    csrf: csrf === undefined ? undefined : String(csrf),
    sameOrigin: isSameOrigin(headers),
  }
}

/**
 * Whether a page of ours has made the request. Browsers say so; those that are older name the origin, and what is no browser
 * says nothing and sends no cookie that its user did not give it.
 */
function isSameOrigin(headers: CredentialHeaders): boolean {
  const { origin, 'sec-fetch-site': site } = headers
  if (site !== undefined && site !== 'same-origin') return false
  return origin === undefined || URL.parse(origin)?.hostname === hostIn(headers)
}

/** The token of `Authorization: Bearer`, whatever the case of its scheme. */
export function bearerOf(authorization = ''): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization)?.[1]
}

/** Why a request with more than one credential is refused. */
export function twoCredentials(): Failure {
  return new Failure('CREDENTIALS_AMBIGUOUS', 'Cannot accept the request: it has more than one credential', {
    suggestion: 'Send either "Authorization: Bearer <token>" or X-API-Key, once',
    challenge: 'Bearer error="invalid_request"',
  })
}
