/** RFC 9457 problem details: the one shape of every answer that is not a good one. */
import { Failure } from '../failures.ts'
import { asFailure } from '../database/database.ts'

export interface Problem {
  status: number
  headers: Record<string, string>
  body: ProblemBody
}

interface ProblemBody {
  type: string
  title: string
  status: number
  category: string
  code: string
  message: string
  suggestion?: string
  retry_after?: number
  path: string
  trace_id: string
  details?: Record<string, unknown>
  available?: readonly string[]
}

/**
 * What a caller is told about `error`. A failure tells what it is; anything else is a bug, of which the caller learns
 * the trace id and nothing more.
 *
 * @param path the AGENTESE path or URL that was called
 */
export function problemOf(error: unknown, path: string, traceId: string): Problem {
  const known = asFailure(error)
  const failure = known instanceof Failure ? known : UNKNOWN
  const { suggestion, retryAfterSeconds, details, available } = failure.facts
  return {
    status: failure.status,
    headers: {
      'Content-Type': 'application/problem+json',
      ...(retryAfterSeconds === undefined ? {} : { 'Retry-After': String(Math.ceil(retryAfterSeconds)) }),
    },
    body: {
      type: `urn:kgents:failure:${failure.code}`,
      title: failure.title,
      status: failure.status,
      category: failure.category,
      code: failure.code,
      message: failure.message,
      ...(suggestion === undefined ? {} : { suggestion }),
      ...(retryAfterSeconds === undefined ? {} : { retry_after: retryAfterSeconds }),
      path,
      trace_id: traceId,
      ...(details === undefined || Object.keys(details).length === 0 ? {} : { details }),
      ...(available === undefined ? {} : { available }),
    },
  }
}

/** Whether `error` is a bug rather than something that was to be expected. */
export function isBug(error: unknown): boolean {
  const known = asFailure(error)
  return !(known instanceof Failure) || known.category === 'INTERNAL'
}

const UNKNOWN = new Failure('INTERNAL', 'Something went wrong on our side', {
  suggestion: 'Try again; if it persists, report the trace id',
})
