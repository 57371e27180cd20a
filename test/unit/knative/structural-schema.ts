/**
 * Checks an object as the API server does: against the structural schema of its CustomResourceDefinition.
 *
 * Stricter in one thing: a field that the schema does not list is an error and not dropped in silence, except where
 * the schema says `x-kubernetes-preserve-unknown-fields`.
 */
import { existsSync, readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'

interface Schema {
  type?: string
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  items?: Schema
  required?: string[]
  enum?: unknown[]
  pattern?: string
  format?: string
  minimum?: number
  maximum?: number
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-int-or-string'?: boolean
}

interface CustomResourceDefinition {
  kind: string
  spec: {
    group: string
    names: { kind: string }
    versions: { name: string; served: boolean; schema: { openAPIV3Schema: Schema } }[]
  }
}

interface KubernetesObject {
  apiVersion: string
  kind: string
}

/** Reads the definitions in `files`; none where the folder is not there. */
export function readDefinitions(files: readonly URL[]): CustomResourceDefinition[] {
  return files
    .filter((file) => existsSync(file))
    .flatMap((file) =>
      parseAllDocuments(readFileSync(file, 'utf8')).map((each) => each.toJS() as CustomResourceDefinition),
    )
    .filter((each) => each?.kind === 'CustomResourceDefinition')
}

/** What is wrong with `object`, each with the path of the field; empty where nothing is. */
export function findProblems(
  object: KubernetesObject,
  definitions: readonly CustomResourceDefinition[],
): string[] {
  const [group, version] = object.apiVersion.split('/')
  const definition = definitions.find(({ spec }) => spec.group === group && spec.names.kind === object.kind)
  const schema = definition?.spec.versions.find(({ name, served }) => served && name === version)?.schema
    .openAPIV3Schema
  if (schema === undefined) return [`no definition for ${object.apiVersion} ${object.kind}`]
  // What every object has is not in the schemas.
  const properties = { ...schema.properties, apiVersion: ANY, kind: ANY, metadata: ANY }
  return check(object, { ...schema, properties }, object.kind)
}

const ANY: Schema = { 'x-kubernetes-preserve-unknown-fields': true }

function check(value: unknown, schema: Schema, path: string): string[] {
  if (schema['x-kubernetes-int-or-string'] === true) {
    return typeof value === 'string' || Number.isInteger(value) ? [] : [`${path}: neither integer nor string`]
  }
  if (schema.type !== undefined && !isOfType(value, schema.type))
    return [`${path}: not of type ${schema.type}`]
  if (Array.isArray(value))
    return value.flatMap((item, index) => check(item, schema.items ?? ANY, `${path}[${index}]`))
  if (typeof value === 'object' && value !== null) return checkObject(value, schema, path)
  return checkScalar(value, schema, path)
}

function checkObject(value: object, schema: Schema, path: string): string[] {
  const missing = (schema.required ?? [])
    .filter((name) => !(name in value))
    .map((name) => `${path}.${name}: missing`)
  const found = Object.entries(value).flatMap(([name, member]) => {
    const own = schema.properties?.[name]
    if (own !== undefined) return check(member, own, `${path}.${name}`)
    const { additionalProperties } = schema
    if (typeof additionalProperties === 'object')
      return check(member, additionalProperties, `${path}.${name}`)
    const isOpen = additionalProperties === true || schema['x-kubernetes-preserve-unknown-fields'] === true
    return isOpen ? [] : [`${path}.${name}: unknown field`]
  })
  return [...missing, ...found]
}

function checkScalar(value: unknown, schema: Schema, path: string): string[] {
  const problems: string[] = []
  if (schema.enum !== undefined && !schema.enum.includes(value))
    problems.push(`${path}: not one of ${schema.enum.join(', ')}`)
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(String(value))) {
    problems.push(`${path}: does not match ${schema.pattern}`)
  }
  if (schema.minimum !== undefined && Number(value) < schema.minimum)
    problems.push(`${path}: below ${schema.minimum}`)
  if (schema.maximum !== undefined && Number(value) > schema.maximum)
    problems.push(`${path}: above ${schema.maximum}`)
  return problems
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  return typeof value === type
}
