/** Inputs that are objects of the caller's own design. Nothing in them is dropped or changed silently. */
import { z } from 'zod'
import { isJsonObject } from '../exact-json.ts'

/** Members inside members; a state that is nested deeper is a mistake. */
const MAX_DEPTH = 16
const MAX_NAME = 128
/** A name that objects take for something else. */
const PROTOTYPE = 'contains a member "__proto__"'

/** An object with any members, which are passed on as they are to where they are checked. */
export const AnyObject = objectThat((value) => (hasPrototype(value) ? PROTOTYPE : undefined))

/** An object with any members, of at most `maxBytes` as JSON and bounded in depth. */
export function jsonObject(maxBytes: number) {
  return objectThat(
    (value) =>
      nameProblemOf(value) ??
      problemOf(value, 0) ??
      (sizeOf(value) > maxBytes ? `is larger than ${maxBytes} bytes` : undefined),
    { minLength: 1, maxLength: MAX_NAME },
  )
}

type AnyObject = Record<string, unknown>

/**
 * An object in which `check` finds no problem, as it was sent. No `z.record`: that leaves a member "__proto__" out without
 * a word.
 */
function objectThat(check: (value: AnyObject) => string | undefined, names: object = {}) {
  const schema = z
    .unknown()
    .superRefine((value, context) => {
      const problem = isJsonObject(value) ? check(value) : 'is not an object'
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
    })
    .meta({ type: 'object', propertyNames: { type: 'string', ...names }, additionalProperties: {} })
  return schema as unknown as z.ZodType<AnyObject> // reason: what is none was refused
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
  if (hasPrototype(value)) return PROTOTYPE
  for (const each of Object.values(value)) {
    const problem = problemOf(each, depth + 1)
    if (problem !== undefined) return problem
  }
  return undefined
}

function nameProblemOf(value: AnyObject): string | undefined {
  const tooLong = Object.keys(value).some((name) => name === '' || name.length > MAX_NAME)
  return tooLong ? `has a name that has not 1 to ${MAX_NAME} characters` : undefined
}

function hasPrototype(value: object): boolean {
  return Object.hasOwn(value, '__proto__')
}
