/**
 * JSON Schemas that an answer is to meet: which ones can be promised, and which are refused before a model runs.
 *
 * A grammar holds the model to the structure. Bounds of numbers and the like are checked when the answer is there
 * (`CHECKED_LATER`). Everything else is refused by its name, and so is a schema that no text meets, or that has no end. Patterns are
 * refused since a regular expression of a caller could keep a worker busy for ever.
 */
import { Failure } from '../failures.ts'
import { canEnd, childrenOf, isObject, resolveRef, type SchemaObject } from './schema-parts.ts'

/** Objects and lists in a schema, and how deep they are nested. */
const MAX_NODES = 2000
const MAX_DEPTH = 64
const MAX_VALUES = 500
const MAX_LENGTH = 65_536

/** Keywords that a grammar can hold an answer to. */
const STRUCTURE = `type enum const properties required additionalProperties items prefixItems minItems maxItems minLength maxLength
  anyOf oneOf allOf $ref $defs definitions`
/** Keywords whose meaning is checked when the answer is there. */
const CHECKED_LATER =
  'minimum maximum exclusiveMinimum exclusiveMaximum multipleOf uniqueItems minProperties maxProperties'
/** Keywords that say nothing about what is valid. */
const NOTES =
  '$schema $id $comment title description default examples deprecated readOnly writeOnly format nullable strict'
const KNOWN = new Set([STRUCTURE, CHECKED_LATER, NOTES].flatMap((words) => words.split(/\s+/)))

const TYPES = new Set(['string', 'number', 'integer', 'boolean', 'null', 'object', 'array'])
const BOUNDS = [
  ['minLength', 'maxLength'],
  ['minItems', 'maxItems'],
  ['minProperties', 'maxProperties'],
  ['minimum', 'maximum'],
] as const

/**
 * Checks that answers can be held to `schema`.
 *
 * @throws Failure INFERENCE_REFUSED with the place and the reason
 */
export function checkResponseSchema(schema: SchemaObject): void {
  checkSize(schema)
  const waiting: { node: unknown; place: string }[] = [{ node: schema, place: '#' }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, place } = next
    if (node === true) continue
    if (!isObject(node)) refuse(place, node === false ? 'no value meets "false"' : 'it is no schema')
    checkKeywords(node, place, schema)
    for (const [name, child] of childrenOf(node)) waiting.push({ node: child, place: `${place}/${name}` })
  }
  if (!canEnd(schema)) refuse('#', 'it refers to itself without an end: no value meets it')
}

/**
 * Checks only that a schema is of a size that can be worked with: of a tool, whose arguments are checked by whoever runs it.
 *
 * @throws Failure INFERENCE_REFUSED
 */
export function checkSize(schema: SchemaObject): void {
  let level: object[] = [schema]
  let nodes = 0
  for (let depth = 0; level.length > 0; depth++) {
    nodes += level.length
    if (depth > MAX_DEPTH) refuse('#', `it is nested more than ${MAX_DEPTH} levels deep`)
    if (nodes > MAX_NODES) refuse('#', `it has more than ${MAX_NODES} objects and lists in it`)
    level = level
      .flatMap((node) => Object.values(node))
      .filter((each): each is object => typeof each === 'object' && each !== null)
  }
  const { length } = JSON.stringify(schema)
  if (length > MAX_LENGTH) refuse('#', `it is ${length} characters long, and at most ${MAX_LENGTH} are taken`)
}

function checkKeywords(node: SchemaObject, place: string, root: SchemaObject): void {
  const unknown = Object.keys(node).find((keyword) => !KNOWN.has(keyword))
  if (unknown !== undefined) refuse(place, `an answer cannot be held to "${unknown.slice(0, 50)}"`)
  checkType(node, place)
  checkValues(node, place)
  for (const [min, max] of BOUNDS) {
    const [low, high] = [node[min], node[max]]
    if (typeof low === 'number' && typeof high === 'number' && low > high)
      refuse(place, `"${min}" ${low} is more than "${max}" ${high}`)
  }
  const { $ref, allOf, required, properties = {}, additionalProperties } = node
  if ($ref !== undefined && resolveRef($ref, root) === undefined)
    refuse(place, `${JSON.stringify($ref).slice(0, 100)} is no reference into "$defs"`)
  if (Array.isArray(allOf) && allOf.length > 1) refuse(place, 'an answer cannot be held to several "allOf"')
  if (additionalProperties === false && Array.isArray(required)) {
    const missing = required.find((name) => !Object.hasOwn(Object(properties), String(name)))
    if (missing !== undefined)
      refuse(place, `"${String(missing).slice(0, 50)}" is required, and no property: no value meets it`)
  }
}

function checkType({ type }: SchemaObject, place: string): void {
  const types = Array.isArray(type) ? type : type === undefined ? [] : [type]
  if (Array.isArray(type) && type.length === 0) refuse(place, 'no value has one of no types')
  const wrong = types.find((each) => !TYPES.has(String(each)))
  if (wrong !== undefined) refuse(place, `"${String(wrong).slice(0, 50)}" is no type`)
}

function checkValues(node: SchemaObject, place: string): void {
  for (const keyword of ['enum', 'anyOf', 'oneOf'] as const) {
    const list = node[keyword]
    if (list !== undefined && (!Array.isArray(list) || list.length === 0))
      refuse(place, `"${keyword}" is no list with something in it: no value meets it`)
  }
  const values = [...(Array.isArray(node['enum']) ? node['enum'] : []), node['const']]
  if (values.length > MAX_VALUES) refuse(place, `"enum" has more than ${MAX_VALUES} values`)
  if (values.some((value) => typeof value === 'object' && value !== null))
    refuse(place, 'only texts, numbers, booleans and null can be in "enum" and "const"')
}

function refuse(place: string, why: string): never {
  throw new Failure('INFERENCE_REFUSED', `Cannot hold an answer to the JSON schema at "${place}": ${why}`, {
    suggestion: 'Use a simpler schema: types, properties, items, enum, anyOf and references into "$defs"',
  })
}
