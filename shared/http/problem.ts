/** What a function answers to an error: the failure that it is, or as little as possible. */
import { Failure } from '../failures.ts'
import { asFailure } from '../database/database.ts'
import { problemHeaders, problemMembers } from '../problem.ts'

export interface Problem {
  status: number
  headers: Record<string, string>
  body: ReturnType<typeof problemMembers> & { path: string; trace_id: string }
}

/**
 * The problem that is returned for `error`. A failure describes itself; anything else is an unhandled error, of which the caller learns
 * the trace id and nothing more.
 *
 * @param path the AGENTESE path or URL that was called
 */
export function problemOf(error: unknown, path: string, traceId: string): Problem {
  const known = asFailure(error)
  const failure = known instanceof Failure ? known : UNKNOWN
  return {
    status: failure.status,
    headers: problemHeaders(failure),
    body: { ...problemMembers(failure), path, trace_id: traceId },
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
