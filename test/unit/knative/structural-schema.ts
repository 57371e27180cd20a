/**
 * Checks an object as the API server does: against the schema of its kind, and the rules (CEL) that the schema carries.
 *
 * Stricter in one thing: a field that the schema does not list is an error and not dropped in silence, except where
 * the schema says `x-kubernetes-preserve-unknown-fields`.
 */
import { Environment } from '@marcbachmann/cel-js'

export interface Schema {
  $ref?: string
  type?: string | string[]
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  items?: Schema
  required?: string[]
  oneOf?: Schema[]
  enum?: unknown[]
  pattern?: string
  minimum?: number
  maximum?: number
  minItems?: number
  maxItems?: number
  maxLength?: number
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-int-or-string'?: boolean
  'x-kubernetes-validations'?: { rule: string; message?: string }[]
}

export interface KubernetesObject {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string> }
}

/** The schema of one kind, and what its references name. */
export interface Definition {
  apiVersion: string
  kind: string
  schema: Schema
  references?: Readonly<Record<string, Schema>>
}

/** What is wrong with `object`, each with the path of the field; empty where nothing is. */
export function findProblems(object: KubernetesObject, definitions: readonly Definition[]): string[] {
  const definition = definitions.find(
    ({ apiVersion, kind }) => apiVersion === object.apiVersion && kind === object.kind,
  )
  if (definition === undefined) return [`no definition for ${object.apiVersion} ${object.kind}`]
  return check(object, definition.schema, { path: object.kind, references: definition.references ?? {} })
}

interface Place {
  path: string
  references: Readonly<Record<string, Schema>>
}

const at = ({ path, references }: Place, name: string): Place => ({ path: `${path}${name}`, references })
const ANY: Schema = { 'x-kubernetes-preserve-unknown-fields': true }

function check(value: unknown, schema: Schema, place: Place): string[] {
  const { path, references } = place
  if (schema.$ref !== undefined) return check(value, references[schema.$ref] ?? ANY, place)
  if (schema['x-kubernetes-int-or-string'] === true) {
    return typeof value === 'string' || Number.isInteger(value) ? [] : [`${path}: neither integer nor string`]
  }
  if (schema.oneOf !== undefined && schema.properties === undefined) {
    const fits = schema.oneOf.filter((each) => check(value, each, place).length === 0).length
    return fits === 1 ? [] : [`${path}: fits ${fits} of ${schema.oneOf.length} forms`]
  }
  const types = [schema.type ?? []].flat()
  if (types.length > 0 && !types.some((type) => isOfType(value, type)))
    return [`${path}: not of type ${types.filter((type) => type !== 'null').join(' or ')}`]
  return [...checkParts(value, schema, place), ...breaks(value, schema, path)]
}

function checkParts(value: unknown, schema: Schema, place: Place): string[] {
  if (Array.isArray(value)) {
    const { minItems = 0, maxItems = Infinity, items = ANY } = schema
    const hasLength = value.length >= minItems && value.length <= maxItems
    return [
      ...(hasLength ? [] : [`${place.path}: not of ${minItems} to ${maxItems} items`]),
      ...value.flatMap((item, index) => check(item, items, at(place, `[${index}]`))),
    ]
  }
  if (typeof value === 'object' && value !== null) return checkObject(value, schema, place)
  return checkScalar(value, schema, place.path)
}

function checkObject(value: object, schema: Schema, place: Place): string[] {
  const missing = (schema.required ?? [])
    .filter((name) => !(name in value))
    .map((name) => `${place.path}.${name}: missing`)
  const found = Object.entries(value).flatMap(([name, member]) => {
    const own = schema.properties?.[name]
    const inside = at(place, `.${name}`)
    if (own !== undefined) return check(member, own, inside)
    const { additionalProperties } = schema
    if (typeof additionalProperties === 'object') return check(member, additionalProperties, inside)
    const isOpen = additionalProperties === true || schema['x-kubernetes-preserve-unknown-fields'] === true
    return isOpen || isUndescribed(schema) ? [] : [`${inside.path}: unknown field`]
  })
  return [...missing, ...found]
}

/** An object of which the schema says no more than that it is one. */
function isUndescribed(schema: Schema): boolean {
  return schema.properties === undefined && schema.additionalProperties === undefined
}

function checkScalar(value: unknown, schema: Schema, path: string): string[] {
  const problems: string[] = []
  if (schema.enum !== undefined && !schema.enum.includes(value))
    problems.push(`${path}: not one of ${schema.enum.join(', ')}`)
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(String(value)))
    problems.push(`${path}: does not match ${schema.pattern}`)
  if (schema.maxLength !== undefined && String(value).length > schema.maxLength)
    problems.push(`${path}: longer than ${schema.maxLength}`)
  if (schema.minimum !== undefined && Number(value) < schema.minimum)
    problems.push(`${path}: below ${schema.minimum}`)
  if (schema.maximum !== undefined && Number(value) > schema.maximum)
    problems.push(`${path}: above ${schema.maximum}`)
  return problems
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'null') return value === null
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  return typeof value === type
}

/** With what Kubernetes adds to CEL, as far as rules use it. */
const cel = new Environment({ unlistedVariablesAreDyn: true, enableOptionalTypes: true }).registerFunction(
  'string.find(string): string',
  (text: string, pattern: string) => new RegExp(pattern).exec(text)?.[0] ?? '',
)
/** A rule that compares with the object as it was holds when there was none. */
const ON_CHANGE = /\boldSelf\b/

/** The rules of `schema` that `value` does not keep. */
function breaks(value: unknown, schema: Schema, path: string): string[] {
  return (schema['x-kubernetes-validations'] ?? [])
    .filter(({ rule }) => !ON_CHANGE.test(rule) && cel.evaluate(rule, { self: toCel(value) }) !== true)
    .map(({ rule, message = rule }) => `${path}: ${message}`)
}

/** Integers are no doubles to CEL. */
function toCel(value: unknown): unknown {
  if (Number.isInteger(value)) return BigInt(value as number)
  if (Array.isArray(value)) return value.map(toCel)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, toCel(member)]))
}
