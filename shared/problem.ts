/** RFC 9457 problem details: how a failure is told over HTTP, by functions and by everything in front of them. */
import type { Failure } from './failures.ts'

/** Members that are known before any request: RFC 9457's, and those that every failure of kgents has. */
export function problemMembers(failure: Failure) {
  const { suggestion, retryAfterSeconds, available, details } = failure.facts
  return {
    type: `urn:kgents:failure:${failure.code}`,
    title: failure.title,
    status: failure.status,
    category: failure.category,
    code: failure.code,
    message: failure.message,
    ...(suggestion === undefined ? {} : { suggestion }),
    ...(retryAfterSeconds === undefined ? {} : { retry_after: retryAfterSeconds }),
    ...(available === undefined ? {} : { available }),
    ...(details === undefined || Object.keys(details).length === 0 ? {} : { details }),
  }
}

/** Headers of the answer that tells `failure`. */
export function problemHeaders({ facts: { retryAfterSeconds } }: Failure): Record<string, string> {
  return {
    'content-type': 'application/problem+json',
    ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterSeconds)) }),
  }
}
