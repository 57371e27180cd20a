/**
 * The part of a stranger's JSON Schema that arguments are checked by here (`../schema.ts`): less than it says, never more. What is left
 * out is its server's to check: patterns, some of which take forever to match, references and conditions.
 */
import { AnySchema } from '../schema.ts'

const KEYWORDS: ReadonlySet<string> = new Set(Object.keys(AnySchema.shape))
/** Without these, a schema means something else: where they are wrong, so is the schema. */
const STRUCTURE = new Set(['type', 'properties', 'required'])

/** @param schema not nested deeper than its reader has made sure of */
export function reduceSchema(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema))
    return schema === true ? {} : schema
  if ('$ref' in schema) return {}
  const kept = Object.entries(schema).flatMap(([keyword, value]) => reduceKeyword(keyword, value))
  return Object.fromEntries(kept)
}

function reduceKeyword(keyword: string, value: unknown): [string, unknown][] {
  if (!KEYWORDS.has(keyword)) return []
  if (keyword === 'properties') return [[keyword, reduceEach(value)]]
  if (keyword === 'additionalProperties')
    return [[keyword, typeof value === 'boolean' ? value : reduceSchema(value)]]
  // Two alternatives may be one when their patterns are gone, and then exactly one fits no more.
  if (keyword === 'anyOf' || keyword === 'oneOf') return reduceAlternatives(value)
  const reduced = keyword === 'items' ? reduceSchema(value) : value
  if (STRUCTURE.has(keyword)) return [[keyword, reduced]]
  const known = AnySchema.shape[keyword as keyof typeof AnySchema.shape] // reason: one of its keywords, as of above
  return known.safeParse(reduced).success ? [[keyword, reduced]] : []
}

function reduceEach(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, reduceSchema(each)]))
}

function reduceAlternatives(value: unknown): [string, unknown][] {
  if (!Array.isArray(value)) return []
  const anyOf = value.map(reduceSchema)
  return AnySchema.shape.anyOf.safeParse(anyOf).success ? [['anyOf', anyOf]] : []
}
