/**
 * What the gateway itself answers, when no function does. One table serves Kong (as Lua) and the local gateway, so a
 * client meets the same codes in front of either.
 */
import { Failure } from '../shared/failures.ts'
import { twoCredentials } from '../shared/http/credential.ts'

const GET_TOKEN = 'Get a token with POST /v1/auth/token and send it as "Authorization: Bearer ..."'

/** As Kong's own plugin writes it (RFC 6750, section 3.1). */
const INVALID_TOKEN = 'Bearer error="invalid_token"'

export const ANSWERS = {
  tokenMissing: new Failure('CREDENTIALS_MISSING', 'Cannot let the request through: it carries no token', {
    suggestion: GET_TOKEN,
  }),
  tokenInvalid: new Failure('CREDENTIALS_INVALID', 'Cannot accept the token: it is not one of ours', {
    suggestion: GET_TOKEN,
    challenge: INVALID_TOKEN,
  }),
  tokenExpired: new Failure('TOKEN_EXPIRED', 'Cannot accept the token: it has expired', {
    suggestion: 'Get a new one with POST /v1/auth/token',
    challenge: INVALID_TOKEN,
  }),
  twoCredentials: twoCredentials(),
  routeUnknown: new Failure('ROUTE_NOT_FOUND', 'Cannot find such a path and method here', {
    suggestion: 'GET /v1/agentese/discover lists every path',
  }),
  bodyTooLarge: new Failure('BODY_TOO_LARGE', 'Cannot take the request: its body is over 1 MiB', {
    suggestion: 'Store what is large elsewhere and send a reference to it',
  }),
  malformed: new Failure('REQUEST_SYNTAX', 'Cannot read the request: it is not valid HTTP/1.1'),
  methodForbidden: new Failure('METHOD_NOT_ALLOWED', 'Cannot take a request with this method', {
    allow: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
  }),
  tooSlow: new Failure('REQUEST_TIMEOUT', 'Cannot wait longer for the rest of the request'),
  lengthMissing: new Failure('LENGTH_REQUIRED', 'Cannot take a body without Content-Length'),
  urlTooLong: new Failure('URL_TOO_LONG', 'Cannot take the request: its first line is over 8 KB'),
  expectation: new Failure('EXPECTATION_FAILED', 'Cannot do what the header Expect asks for'),
  headersTooLarge: new Failure(
    'HEADERS_TOO_LARGE',
    'Cannot take the request: a header is over 8 KB, all are over 16 KB, or there are more than 1000',
  ),
  encodingUnsupported: new Failure(
    'ENCODING_UNSUPPORTED',
    'Cannot take a Transfer-Encoding other than "chunked"',
  ),
  versionUnsupported: new Failure('VERSION_UNSUPPORTED', 'Cannot speak this version of HTTP: use HTTP/1.1'),
  tooMany: new Failure('RATE_LIMITED', 'Cannot take the request: too many come from this address', {
    retryAfterSeconds: 1,
  }),
  functionUnavailable: new Failure('DEPENDENCY_UNAVAILABLE', 'Cannot reach the function behind this path', {
    retryAfterSeconds: 1,
  }),
  functionSlow: new Failure('DEADLINE_EXCEEDED', 'Cannot wait longer for the function behind this path'),
  internal: new Failure('INTERNAL', 'Cannot answer: something went wrong in the gateway'),
} as const satisfies Record<string, Failure>

/** What the gateway answers where Kong, or the nginx in it, knows no more than a status. */
export const ANSWER_BY_STATUS: Readonly<Record<number, Failure>> = {
  400: ANSWERS.malformed,
  401: ANSWERS.tokenInvalid,
  404: ANSWERS.routeUnknown,
  405: ANSWERS.methodForbidden,
  408: ANSWERS.tooSlow,
  411: ANSWERS.lengthMissing,
  413: ANSWERS.bodyTooLarge,
  414: ANSWERS.urlTooLong,
  417: ANSWERS.expectation,
  429: ANSWERS.tooMany,
  431: ANSWERS.headersTooLarge,
  500: ANSWERS.internal,
  501: ANSWERS.encodingUnsupported,
  502: ANSWERS.functionUnavailable,
  503: ANSWERS.functionUnavailable,
  504: ANSWERS.functionSlow,
  505: ANSWERS.versionUnsupported,
}
