/** Reads requests of the API of OpenAI. What is not supported is refused by its name; what changes no answer is ignored. */
import { z } from 'zod'
import { Failure } from '../../../shared/failures.ts'
import { isJsonObject } from '../../../shared/exact-json.ts'
import { decodeBody, parseBody } from '../../../shared/http/read-body.ts'
import type { Body } from '../../upstream/collect-body.ts'

/** A member that is read and has no effect here. */
export const Ignored = z.unknown().optional()

/** A member that may be there as long as it asks for nothing: `null`, an empty list or object, or one of `harmless`. */
export function unsupported(...harmless: readonly unknown[]) {
  return z
    .unknown()
    .optional()
    .refine((value) => isNothing(value) || harmless.includes(value), 'is not supported here')
    .transform(() => undefined)
}

function isNothing(value: unknown): boolean {
  return (
    value === null || value === undefined || (typeof value === 'object' && Object.keys(value).length === 0)
  )
}

/** `null` is as good as absent, as clients send it. */
export function optional<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? undefined)
}

/**
 * The body of a request.
 *
 * @throws Failure BODY_SYNTAX; TYPE_MISMATCH, with the name of the member that is wrong in its details
 */
export function readRequest<T extends z.ZodType>(schema: T, body: Body): z.output<T> {
  const value = parseBody(decodeBody(body ?? Buffer.from('{}')))
  if (!isJsonObject(value)) throw new Failure('BODY_SYNTAX', 'Cannot read the body: it is not a JSON object')
  const read = schema.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  const { param, why } = whatIsWrong(issue)
  throw new Failure('TYPE_MISMATCH', `Cannot read the request: ${param === '' ? '' : `"${param}" `}${why}`, {
    details: { param },
  })
}

/** What the library says of a choice that gives no reason of its own. */
const NO_REASON = 'Invalid input'

/** Of a choice, the form that the value came closest to: the one in which the mistake lies deepest. */
function whatIsWrong(
  issue: z.core.$ZodIssue | undefined,
  within: PropertyKey[] = [],
): { param: string; why: string } {
  const path = [...within, ...(issue?.path ?? [])]
  if (issue?.code === 'unrecognized_keys')
    return { param: [...path, issue.keys[0]].join('.'), why: 'is not known here' }
  if (issue?.code === 'invalid_union' && issue.message === NO_REASON) {
    const [closest] = issue.errors.flat().toSorted((a, b) => b.path.length - a.path.length)
    if (closest !== undefined && closest.path.length > 0) return whatIsWrong(closest, path)
  }
  const { message = 'it does not fit' } = issue ?? {}
  // Messages of ours go on with a sentence, those of the library are sentences.
  return { param: path.join('.'), why: /^[a-z]/.test(message) ? message : `is wrong: ${message}` }
}
