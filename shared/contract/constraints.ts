/**
 * What members of an input must stand together, declared once as data: the check of the input and what its JSON Schema
 * says both come from it. A plain `refine` is invisible in a schema.
 */
import type { z } from 'zod'

/** A member by its path, such as `input.id`; with `!` behind it, it must not be a blank text either. */
export type MemberPath = string

type Schema = Record<string, unknown>

/** At least one of `members` must be there. */
export function requireAny<T extends z.ZodType>(type: T, members: readonly MemberPath[], message: string): T {
  return constrain(type, (input) => members.some((path) => isThere(input, path)), message, {
    anyOf: members.map(thereSchema),
  })
}

/** Exactly one of `members` must be there. */
export function requireOne<T extends z.ZodType>(type: T, members: readonly MemberPath[], message: string): T {
  return constrain(type, (input) => members.filter((path) => isThere(input, path)).length === 1, message, {
    oneOf: members.map(thereSchema),
  })
}

/** Of `members` there may be one, or none. */
export function allowOne<T extends z.ZodType>(type: T, members: readonly MemberPath[], message: string): T {
  return constrain(type, (input) => members.filter((path) => isThere(input, path)).length <= 1, message, {
    not: { required: members },
  })
}

/** Some member must be there, whichever. */
export function requireSome<T extends z.ZodType>(type: T, message: string): T {
  return constrain(type, (input) => Object.keys(input as object).length > 0, message, { minProperties: 1 })
}

function constrain<T extends z.ZodType>(
  type: T,
  check: (input: unknown) => boolean,
  message: string,
  schema: Schema,
): T {
  return type.refine(check, message).meta(schema)
}

function isThere(input: unknown, path: MemberPath): boolean {
  const [names, filled] = partsOf(path)
  let value = input
  for (const name of names) value = (value as Record<string, unknown> | null | undefined)?.[name]
  return value !== undefined && !(filled && typeof value === 'string' && value.trim() === '')
}

/** With its type and its property spelled out: some readers of JSON Schema do not look at `required` alone. */
function thereSchema(path: MemberPath): Schema {
  const [names, filled] = partsOf(path)
  return names.reduceRight<Schema>(
    (inner, name) => ({ type: 'object', properties: { [name]: inner }, required: [name] }),
    filled ? { not: { type: 'string', pattern: String.raw`^\s*$` } } : {},
  )
}

function partsOf(path: MemberPath): [names: string[], filled: boolean] {
  const filled = path.endsWith('!')
  return [(filled ? path.slice(0, -1) : path).split('.'), filled]
}
