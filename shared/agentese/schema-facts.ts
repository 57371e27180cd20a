/** What a JSON Schema requires of its values, read for `schema-fit.ts`. */
import type { z } from 'zod'

export type JsonSchema = z.core.JSONSchema.JSONSchema
/** `true` takes everything, `false` nothing. */
export type AnySchema = JsonSchema | boolean
type Value = string | number | boolean | null

const TYPES = ['string', 'number', 'boolean', 'null', 'array', 'object'] as const
/** An integer is a number, too. */
export type SchemaType = (typeof TYPES)[number] | 'integer'

const NOTHING: JsonSchema = { not: {} }
const MAX_CHAIN = 32
/** What stands beside a reference and does not constrain the value. */
const REMARKS: ReadonlySet<string> = new Set([
  '$schema',
  '$id',
  '$defs',
  'title',
  'description',
  'default',
  'examples',
])

/**
 * The schema itself, where `schema` is a boolean or refers to another part of `root`.
 *
 * @returns undefined where the reference leads nowhere
 */
export function resolve(schema: AnySchema, root: JsonSchema, chain = 0): JsonSchema | undefined {
  if (typeof schema === 'boolean') return schema ? {} : NOTHING
  const { $ref, ...beside } = schema
  if ($ref === undefined) return schema
  const target = chain < MAX_CHAIN ? referred($ref, root) : undefined
  const resolved = target === undefined ? undefined : resolve(target, root, chain + 1)
  if (resolved === undefined || Object.keys(beside).every((keyword) => REMARKS.has(keyword))) return resolved
  return { allOf: [resolved, beside] }
}

function referred(reference: string, root: JsonSchema): JsonSchema | undefined {
  if (reference === '#') return root
  const [, name] = /^#\/\$defs\/([^/]+)$/.exec(reference) ?? []
  return name === undefined ? undefined : ownValue(root.$defs, name)
}

/** Whether no value at all is one of `schema`. */
export function isNothing({ not }: JsonSchema): boolean {
  return not === true || (typeof not === 'object' && Object.keys(not).length === 0)
}

/** The types of which its values can be; all where it has no `type`. */
export function typesOf(schema: JsonSchema): readonly SchemaType[] {
  if (schema.type !== undefined) return [schema.type].flat()
  const values = valuesOf(schema)
  return values === undefined ? TYPES : values.map(typeOf)
}

/** Its values, where it lists them all. */
export function valuesOf(schema: JsonSchema): readonly Value[] | undefined {
  if (schema.const !== undefined) return [schema.const]
  return schema.type === 'null' ? [null] : schema.enum
}

/** Whether a value of `type` can be one of `among`. */
export function isAmong(type: SchemaType, among: readonly SchemaType[]): boolean {
  return among.includes(type) || (type === 'integer' && among.includes('number'))
}

/** Schemas of which each of its values fits one; undefined where it is not divided. */
export function alternativesOf(schema: JsonSchema): readonly AnySchema[] | undefined {
  const union = schema.anyOf ?? schema.oneOf ?? schema.enum?.map(describe)
  if (union !== undefined) return union
  return Array.isArray(schema.type) ? schema.type.map((type) => ({ ...schema, type })) : undefined
}

/** All constraints of one value. */
export function describe(value: Value): JsonSchema {
  const facts = { type: typeOf(value), const: value }
  if (typeof value === 'string') return { ...facts, minLength: value.length, maxLength: value.length }
  return typeof value === 'number' ? { ...facts, minimum: value, maximum: value } : facts
}

function typeOf(value: Value): SchemaType {
  if (value === null) return 'null'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value === 'string' ? 'string' : 'boolean'
}

/** What stands behind the positions of its arrays that are described one by one. */
export function restOf({ items }: JsonSchema): AnySchema {
  return items === undefined || Array.isArray(items) ? true : items
}

/** What its objects have under `name`, if anything. */
export function propertyOf(schema: JsonSchema, name: string): AnySchema {
  return ownValue(schema.properties, name) ?? othersOf(schema)
}

/** What its objects may have under names that it does not mention. */
export function othersOf({ additionalProperties, patternProperties }: JsonSchema): AnySchema {
  return patternProperties === undefined ? (additionalProperties ?? true) : true
}

/** What a message calls its values. */
export function nameOf(schema: JsonSchema): string {
  const values = valuesOf(schema)?.map((value) => JSON.stringify(value))
  if (values !== undefined) return [...values.slice(0, 5), ...(values.length > 5 ? ['...'] : [])].join(' or ')
  const types = typesOf(schema)
  return types === TYPES ? 'anything' : types.join(' or ')
}

/** A property of its own: a schema may well have one that is called `constructor`. */
export function ownValue<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined
}
