/**
 * Reads the credential of a request. One request has one: with two it would be up to the reader which of them counts,
 * and two readers in a row could choose differently.
 *
 * The servers that call this have `joinDuplicateHeaders` on; Node drops a repeated `Authorization` without it.
 */
import { Failure } from '../failures.ts'
import type { Credential } from '../pipeline/invocation.ts'

export interface CredentialHeaders {
  authorization?: string | undefined
  'x-api-key'?: string | string[] | undefined
}

/** Repeated headers arrive joined. Neither of these schemes has a comma of its own, and no API key has. */
const REPEATED = /^(bearer|basic)\s.*,|,\s*(bearer|basic)\s/i

/**
 * Any `Authorization` is a token, if not a good one: who sends another scheme is not taken for a guest.
 *
 * @throws Failure CREDENTIALS_AMBIGUOUS for both headers, and for one that is repeated
 */
export function readCredential(headers: CredentialHeaders): Credential {
  const { authorization = '', 'x-api-key': key } = headers
  if (key === undefined && authorization === '') return { kind: 'none' }
  if (key !== undefined && (authorization !== '' || String(key).includes(','))) throw twoCredentials()
  if (REPEATED.test(authorization)) throw twoCredentials()
  if (key !== undefined) return { kind: 'api-key', key: String(key) }
  return { kind: 'token', token: bearerOf(authorization) ?? authorization }
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
