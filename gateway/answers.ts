/**
 * What the gateway itself answers, when no function does. One table serves Kong (as Lua) and the local gateway, so a
 * client meets the same codes in front of either.
 */
import { Failure } from '../shared/failures.ts'

const GET_TOKEN = 'Get a token with POST /v1/auth/token and send it as "Authorization: Bearer ..."'

export const ANSWERS = {
  tokenMissing: new Failure('CREDENTIALS_MISSING', 'Cannot let the request through: it carries no token', {
    suggestion: GET_TOKEN,
  }),
  tokenInvalid: new Failure('CREDENTIALS_INVALID', 'Cannot accept the token: it is not one of ours', {
    suggestion: GET_TOKEN,
  }),
  tokenExpired: new Failure('TOKEN_EXPIRED', 'Cannot accept the token: it has expired', {
    suggestion: 'Get a new one with POST /v1/auth/token',
  }),
  routeUnknown: new Failure('ROUTE_NOT_FOUND', 'Cannot find such a path and method here', {
    suggestion: 'GET /v1/agentese/discover lists every path',
  }),
  bodyTooLarge: new Failure('BODY_TOO_LARGE', 'Cannot take the request: its body is over 1 MiB', {
    suggestion: 'Store what is large elsewhere and send a reference to it',
  }),
  tooMany: new Failure('RATE_LIMITED', 'Cannot take the request: too many come from this address', {
    retryAfterSeconds: 1,
  }),
  functionUnavailable: new Failure('DEPENDENCY_UNAVAILABLE', 'Cannot reach the function behind this path', {
    retryAfterSeconds: 1,
  }),
  functionSlow: new Failure('DEADLINE_EXCEEDED', 'Cannot wait longer for the function behind this path'),
  internal: new Failure('INTERNAL', 'Cannot answer: something went wrong in the gateway'),
} as const satisfies Record<string, Failure>

/** What the gateway answers where Kong knows no more than a status. */
export const ANSWER_BY_STATUS: Readonly<Record<number, Failure>> = {
  401: ANSWERS.tokenInvalid,
  404: ANSWERS.routeUnknown,
  413: ANSWERS.bodyTooLarge,
  429: ANSWERS.tooMany,
  500: ANSWERS.internal,
  502: ANSWERS.functionUnavailable,
  503: ANSWERS.functionUnavailable,
  504: ANSWERS.functionSlow,
}
