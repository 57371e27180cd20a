/**
 * JSON Schemas that tenants write for their tools. A part of the language is taken: what can be checked in a time that
 * depends on sizes alone. Patterns are not, since some take forever to match, and neither are references.
 */
import { z } from 'zod'
import { sizeOf } from '../../../../shared/contract/json-object.ts'

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
 * Checks `value` by a schema that `AnySchema` has let in.
 *
 * @returns the value with defaults filled in, or what is wrong with it, in one line
 */
export function checkBySchema(schema: JsonSchema, value: unknown): { value: unknown } | { problem: string } {
  const { success, data, error } = z.fromJSONSchema(schema).safeParse(value)
  if (success) return { value: data }
  const problems = error.issues.slice(0, 3).map(({ path, message }) => {
    return path.length === 0 ? message : `"${path.join('.')}": ${message}`
  })
  return { problem: problems.join('; ') }
}
