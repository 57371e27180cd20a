/** A JSON Schema as rows to read: one for each member, however deep. */
import type { JsonSchema } from '../../../shared/contract/schemas.ts'

export interface SchemaRow {
  name: string
  type: string
  required: boolean
  /** Limits, default and what it means. */
  notes: string[]
}

/** Deeper members do not help a reader; a schema that contains itself has no last one. */
const MAX_DEPTH = 4

export function rowsOf(schema: JsonSchema): SchemaRow[] {
  return membersOf(schema, schema, '', 0)
}

function membersOf(schema: JsonSchema, root: JsonSchema, prefix: string, depth: number): SchemaRow[] {
  if (depth > MAX_DEPTH) return []
  const here = resolve(schema, root)
  const { properties = {}, required = [], items, additionalProperties } = here as Members
  const named = Object.entries(properties).flatMap(([name, member]) => [
    rowOf(`${prefix}${name}`, member, root, required.includes(name)),
    ...membersOf(member, root, `${prefix}${name}.`, depth + 1),
  ])
  const inList = isSchema(items) ? membersOf(items, root, `${prefix.replace(/\.$/, '')}[].`, depth + 1) : []
  const anyName = isSchema(additionalProperties)
    ? membersOf(additionalProperties, root, `${prefix}*.`, depth + 1)
    : []
  return [
    ...named,
    ...inList,
    ...anyName,
    ...choicesOf(here).flatMap((each) => membersOf(each, root, prefix, depth + 1)),
  ]
}

interface Members {
  properties?: Record<string, JsonSchema>
  required?: readonly string[]
  items?: unknown
  additionalProperties?: unknown
}

function rowOf(name: string, member: JsonSchema, root: JsonSchema, required: boolean): SchemaRow {
  const schema = resolve(member, root)
  return { name, type: typeOf(schema, root), required, notes: notesOf({ ...schema, ...member }) }
}

function typeOf(schema: JsonSchema, root: JsonSchema, depth = 0): string {
  const { const: only, enum: some, type, format, items, additionalProperties } = schema
  if (only !== undefined) return JSON.stringify(only)
  if (Array.isArray(some)) return some.map((each) => JSON.stringify(each)).join(' | ')
  const inner = (each: unknown) =>
    isSchema(each) && depth < MAX_DEPTH ? typeOf(resolve(each, root), root, depth + 1) : 'any'
  const choices = choicesOf(schema)
  if (choices.length > 0) return [...new Set(choices.map(inner))].join(' | ')
  if (type === 'array') return isSchema(items) ? `list of ${inner(items)}` : 'list'
  if (type === 'object' && isSchema(additionalProperties)) return `${inner(additionalProperties)} by name`
  const name = typeof type === 'string' ? type : 'any'
  return typeof format === 'string' ? format : name
}

const LIMITS: readonly [name: string, describe: (limit: string) => string][] = [
  ['minimum', (limit) => `at least ${limit}`],
  ['exclusiveMinimum', (limit) => `more than ${limit}`],
  ['maximum', (limit) => `at most ${limit}`],
  ['exclusiveMaximum', (limit) => `less than ${limit}`],
  ['minLength', (limit) => `${limit} or more characters`],
  ['maxLength', (limit) => `up to ${limit} characters`],
  ['minItems', (limit) => `${limit} or more`],
  ['maxItems', (limit) => `up to ${limit}`],
  ['default', (value) => `default ${value}`],
  ['description', (text) => text],
]

function notesOf(schema: JsonSchema): string[] {
  return LIMITS.flatMap(([name, describe]) => {
    const value = schema[name]
    // what zod writes for every integer
    if (value === undefined || Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER) return []
    return [describe(typeof value === 'string' && name === 'description' ? value : JSON.stringify(value))]
  })
}

function choicesOf({ anyOf, oneOf, allOf }: JsonSchema): JsonSchema[] {
  return [anyOf, oneOf, allOf].flatMap((each) => (Array.isArray(each) ? each.filter(isSchema) : []))
}

/** Follows a reference within `root`. */
function resolve(schema: JsonSchema, root: JsonSchema): JsonSchema {
  const { $ref } = schema
  if (typeof $ref !== 'string') return schema
  const found = $ref
    .split('/')
    .slice(1)
    .reduce<unknown>((at, name) => (isSchema(at) ? at[name] : undefined), root)
  return isSchema(found) ? found : {}
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null
}
