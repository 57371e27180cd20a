/**
 * JSON Schemas that tenants write for their tools. A part of the language is taken: what can be checked in a time that
 * depends on sizes alone. Patterns are not, since some take forever to match, and neither are references.
 */
import { z } from 'zod'
import { sizeOf } from '../../../../shared/contract/json-object.ts'
import {
  isWhole,
  replaceExactNumbers,
  restoreExactNumbers,
  type ExactNumber,
} from '../../../../shared/exact-json.ts'

/** Bytes of JSON. */
const MAX_SCHEMA = 16_384

const Type = z.enum(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'])
const Count = z.int().min(0).max(1_000_000)
const Format = z.enum(['date-time', 'date', 'time', 'email', 'uuid', 'uri', 'ipv4', 'ipv6'])

const Part = z.strictObject({
  $schema: z.string().max(200).optional(),
  title: z.string().optional(),
  description: z.string().optional(),
  type: z.union([Type, z.array(Type).min(1).max(7)]).optional(),
  const: z.union([z.string(), z.number(), z.boolean(), z.null()]).optional(),
  enum: z
    .array(z.union([z.string(), z.number(), z.boolean(), z.null()]))
    .min(1)
    .max(500)
    .optional(),
  default: z.unknown().optional(),
  examples: z.array(z.unknown()).optional(),
  minLength: Count.optional(),
  maxLength: Count.optional(),
  format: Format.optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
  exclusiveMaximum: z.number().optional(),
  multipleOf: z.number().positive().optional(),
  minItems: Count.optional(),
  maxItems: Count.optional(),
  get items() {
    return Part.optional()
  },
  get properties() {
    return z.record(z.string().min(1).max(64), Part).optional()
  },
  required: z.array(z.string().max(64)).max(200).optional(),
  get additionalProperties(): z.ZodOptional<z.ZodType> {
    return z.union([z.boolean(), Part]).optional()
  },
  get anyOf() {
    return z.array(Part).min(1).max(20).optional()
  },
  get oneOf() {
    return z.array(Part).min(1).max(20).optional()
  },
})

const isSmall = (schema: object) => sizeOf(schema) <= MAX_SCHEMA
const TOO_LARGE = `is larger than ${MAX_SCHEMA} bytes`

/** Of what a tool answers. */
export const AnySchema = Part.refine(isSmall, TOO_LARGE)

/** Of what a tool is given: an object. */
export const ObjectSchema = Part.extend({ type: z.literal('object') }).refine(isSmall, TOO_LARGE)

export type JsonSchema = Readonly<Record<string, unknown>>

/**
 * Checks `value` by a schema that `AnySchema` has let in. Numbers that no double holds are checked by the nearest that one does,
 * and stay what they are.
 *
 * @returns the value with defaults filled in, or what is wrong with it, in one line
 */
export function checkBySchema(schema: JsonSchema, value: unknown): { value: unknown } | { problem: string } {
  const nearest = replaceExactNumbers(value, nearestOf)
  const checked = z.fromJSONSchema(schema).safeParse(nearest)
  const taken = checked.success ? checked : z.fromJSONSchema(withLargeIntegers(schema)).safeParse(nearest)
  if (taken.success) {
    return { value: nearest === value ? taken.data : restoreExactNumbers(taken.data, value) }
  }
  const problems = (checked.error?.issues ?? []).slice(0, 3).map(({ path, message }) => {
    return path.length === 0 ? message : `"${path.join('.')}": ${message}`
  })
  return { problem: problems.join('; ') }
}

/** No number where the nearest one is whole and the number itself is not: a schema could not distinguish them. */
function nearestOf(number: ExactNumber): number {
  const nearest = Number(number.rawJSON)
  return Number.isInteger(nearest) && !isWhole(number) ? Number.NaN : nearest
}

/** The same schema, in which an integer is a whole number of any size: zod's are less than 2^53. */
function withLargeIntegers(schema: JsonSchema): JsonSchema {
  const {
    type,
    multipleOf = 1,
    properties = {},
  } = schema as { type?: unknown; multipleOf?: number; properties?: object }
  const types = [type].flat()
  const inside = ['items', 'additionalProperties', 'anyOf', 'oneOf'].flatMap((name) =>
    schema[name] === undefined ? [] : [[name, changeEach(schema[name])] as const],
  )
  return {
    ...schema,
    ...(types.includes('integer')
      ? { type: types.map((each) => (each === 'integer' ? 'number' : each)), multipleOf }
      : {}),
    ...(schema['properties'] === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, part]) => [name, changeEach(part)]),
          ),
        }),
    ...Object.fromEntries(inside),
  }
}

function changeEach(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(changeEach)
  return typeof part === 'object' && part !== null ? withLargeIntegers(part as JsonSchema) : part
}
