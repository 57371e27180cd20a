/** Inputs that are objects of the caller's own design: bounded in size and depth, and of nothing but JSON. */
import { z } from 'zod'

/** Members inside members; a state that is nested deeper is a mistake. */
const MAX_DEPTH = 16
const LONGEST_NAME = 128

/** An object with any members, of at most `maxBytes` as JSON. */
export function jsonObject(maxBytes: number) {
  return z.record(z.string().min(1).max(LONGEST_NAME), z.unknown()).superRefine((value, context) => {
    const problem =
      problemOf(value, 0) ?? (sizeOf(value) > maxBytes ? `is larger than ${maxBytes} bytes` : '')
    if (problem !== '') context.addIssue({ code: 'custom', message: problem })
  })
}

/** Bytes of `value` as JSON. */
export function sizeOf(value: object): number {
  return Buffer.byteLength(JSON.stringify(value))
}

/** Why `value` could not be kept as it is; undefined where it can. */
function problemOf(value: unknown, depth: number): string | undefined {
  if (depth > MAX_DEPTH) return `is nested deeper than ${MAX_DEPTH} levels`
  if (typeof value === 'number' && !Number.isFinite(value)) return 'contains a number that is too large'
  if (typeof value !== 'object' || value === null) return undefined
  // A name that objects take for something else.
  if (Object.hasOwn(value, '__proto__')) return 'contains a member "__proto__"'
  for (const each of Object.values(value)) {
    const problem = problemOf(each, depth + 1)
    if (problem !== undefined) return problem
  }
  return undefined
}
