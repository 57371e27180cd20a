/** RFC 9457 problem details: how a failure is returned over HTTP, by functions and by everything in front of them. */
import { z } from 'zod'
import { listFailures, type Category, type Failure } from './failures.ts'

const failures = listFailures()

/** The body of every answer that is a failure. */
export const Problem = z.strictObject({
  type: z.string().describe('urn:kgents:failure: and the code'),
  title: z.string().describe('The category, for people'),
  status: z.int(),
  category: z.enum([...new Set(failures.map(({ category }) => category))] as Category[]),
  code: z.enum(failures.map(({ code }) => code)).describe('What to branch on; the message may change'),
  message: z.string(),
  suggestion: z.string().optional().describe('What you can do about it'),
  retry_after: z.number().optional().describe('Seconds after which trying again makes sense'),
  available: z.array(z.string()).readonly().optional().describe('Names that you could have meant or may use'),
  details: z.record(z.string(), z.unknown()).optional(),
  path: z.string().describe('What was called'),
  trace_id: z.string().describe('What to name when you report it'),
})

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

/** What a credential may be: the schemes of `WWW-Authenticate`. `ApiKey` is ours, in `X-API-Key`; none is registered for keys. */
const ANY_CREDENTIAL = 'Bearer, ApiKey'

/** Headers of the answer that is `failure`. Every 401 has a challenge (RFC 9110, 15.5.2), every 405 the methods (15.5.6). */
export function problemHeaders({ status, facts }: Failure): Record<string, string> {
  const { retryAfterSeconds, allow, challenge = status === 401 ? ANY_CREDENTIAL : undefined } = facts
  return {
    'content-type': 'application/problem+json',
    ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterSeconds)) }),
    ...(challenge === undefined ? {} : { 'www-authenticate': challenge }),
    ...(allow === undefined ? {} : { allow: allow.join(', ') }),
  }
}
