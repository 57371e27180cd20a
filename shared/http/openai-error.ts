/** Failures as the API of OpenAI writes them, so that its clients raise what they raise there, and repeat what is worth it. */
import type { Category, Failure } from '../failures.ts'
import { problemHeaders } from '../problem.ts'
import type { ForeignError } from './foreign-errors.ts'

/** The type of an error by category; of all others it is `server_error`. */
const TYPES: Partial<Record<Category, string>> = {
  INVALID_INPUT: 'invalid_request_error',
  UNAUTHORIZED: 'authentication_error',
  FORBIDDEN: 'permission_error',
  NOT_FOUND: 'invalid_request_error',
  CONFLICT: 'conflict_error',
  PRECONDITION_FAILED: 'invalid_request_error',
  QUOTA_EXCEEDED: 'rate_limit_error',
  REFUSED: 'permission_error',
}

/** Codes that clients know; the others are ours, in lower case. */
const CODES: Partial<Record<Failure['code'], string>> = {
  CREDENTIALS_MISSING: 'invalid_api_key',
  CREDENTIALS_INVALID: 'invalid_api_key',
  TOKEN_EXPIRED: 'invalid_api_key',
  RATE_LIMITED: 'rate_limit_exceeded',
  QUOTA_EXCEEDED: 'insufficient_quota',
}

/** A model refuses with 422, which says nothing to these clients. */
const STATUSES: Partial<Record<Failure['code'], number>> = { INFERENCE_REFUSED: 400 }

/** The body of an error, which is also what a stream ends with. */
export function openAiErrorBody(failure: Failure) {
  const { message, facts, category } = failure
  const { suggestion, details } = facts
  const param = details?.['param']
  return {
    error: {
      message: suggestion === undefined ? message : `${message}. ${suggestion}`,
      type: failure.code === 'QUOTA_EXCEEDED' ? 'insufficient_quota' : (TYPES[category] ?? 'server_error'),
      param: typeof param === 'string' ? param : null,
      code: codeOf(failure),
    },
  }
}

export function openAiError(failure: Failure): ForeignError {
  const { 'content-type': _, ...headers } = problemHeaders(failure)
  return {
    status: STATUSES[failure.code] ?? failure.status,
    headers: { ...headers, ...repeatable(failure), 'content-type': 'application/json' },
    body: openAiErrorBody(failure),
  }
}

/** Clients repeat by status alone, and wait a minute at most, unless this header says otherwise. */
function repeatable({ retry, facts }: Failure): Record<string, string> {
  const isSoon = retry && (facts.retryAfterSeconds ?? 0) <= MAX_WAIT_SECONDS
  return { 'x-should-retry': String(isSoon) }
}

const MAX_WAIT_SECONDS = 60

function codeOf({ code, message, facts }: Failure): string {
  const { details } = facts
  if (code === 'NOT_FOUND' && details?.['param'] === 'model') return 'model_not_found'
  // The end of a job has a code and a message, and nothing besides: that a prompt is too long is in its words alone.
  const isTooLong = details?.['context_tokens'] !== undefined || /\bcontext\b|too long/.test(message)
  if (code === 'INFERENCE_REFUSED' && isTooLong) return 'context_length_exceeded'
  return CODES[code] ?? code.toLowerCase()
}
