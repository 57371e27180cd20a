/**
 * A JSON Schema in the subset that node-llama-cpp makes grammars of. It writes every property that it knows, in their order, and
 * none beside; so what it allows is valid, and not all that is valid is allowed. What a grammar cannot say is not in it.
 */
import type { GbnfJsonSchema } from 'node-llama-cpp'
import { definitionsOf, isObject, listIn, type SchemaObject } from '../../shared/models/schema-parts.ts'

/** Loose, since the library's own type cannot name definitions that are not known before. */
type Grammar = Record<string, unknown>

/** Grammars grow with the bound; longer ones are left to the check of the answer. */
const MAX_REPEATS = 200
/** Of one object: each doubles the forms that it may have. */
const MAX_OPTIONAL_RECURSIONS = 3
/** How often one part of a schema is written, where objects around it have several forms. */
const MAX_COPIES = 32

const ANY: Grammar = {
  oneOf: [
    { type: ['string', 'number', 'boolean', 'null'] },
    { type: 'array' },
    { type: 'object', additionalProperties: true },
  ],
}
const SIMPLE = new Set(['number', 'integer', 'boolean', 'null'])
const FORMATS = new Set(['date-time', 'time', 'date'])

/** `schema` has been checked: it is bounded, its references lead somewhere, and some finite value meets it. */
export function toGrammarSchema(schema: SchemaObject): GbnfJsonSchema {
  const definitions = definitionsOf(schema)
  const names = new Map([...definitions.keys()].map((ref, at) => [ref, `def${at}`]))
  const convert = converter(names, recursiveIn(definitions))
  const $defs = Object.fromEntries(
    [...definitions].map(([ref, each]) => [names.get(ref) ?? ref, convert(each)]),
  )
  return { oneOf: [convert(schema)], $defs } as unknown as GbnfJsonSchema // reason: see `Grammar`
}

function converter(names: ReadonlyMap<string, string>, recursive: ReadonlySet<string>) {
  const convert = (node: unknown, copies = 1): Grammar => {
    if (!isObject(node)) return ANY
    const { $ref } = node
    if (typeof $ref === 'string') {
      const name = names.get($ref)
      return name === undefined ? ANY : { $ref: `#/$defs/${name}` }
    }
    const alternatives = [...listIn(node, 'anyOf'), ...listIn(node, 'oneOf'), ...listIn(node, 'allOf')]
    if (alternatives.length > 0) return { oneOf: alternatives.map((each) => convert(each, copies)) }
    const { const: fixed } = node
    if (fixed !== undefined && (typeof fixed !== 'object' || fixed === null)) return { const: fixed }
    const values = listIn(node, 'enum').filter((value) => typeof value !== 'object' || value === null)
    if (values.length > 0) return { enum: values }
    const types = typesOf(node)
    if (types.length === 0) return ANY
    const forms = types.map((type) => ofType(type, node, copies))
    return forms.length === 1 ? (forms[0] ?? ANY) : { oneOf: forms }
  }
  const ofType = (type: string, node: SchemaObject, copies: number): Grammar => {
    if (type === 'object') return objectOf(node, copies)
    if (type === 'array') return arrayOf(node, (each) => convert(each, copies))
    if (type === 'string') return stringOf(node)
    return SIMPLE.has(type) ? { type } : ANY
  }
  const objectOf = (node: SchemaObject, copies: number): Grammar => {
    const known = isObject(node['properties']) ? node['properties'] : {}
    const required = listIn(node, 'required').map(String)
    const unknown = required
      .filter((name) => !Object.hasOwn(known, name))
      .map((name) => [name, true] as const)
    const all = [...Object.entries(known), ...unknown]
    if (all.length === 0) return { type: 'object', ...extraOf(node, (each) => convert(each, copies)) }
    const refers = (each: unknown) => [...refsIn(each)].some((ref) => recursive.has(ref))
    const optional = all
      .filter(([name, each]) => !required.includes(name) && refers(each))
      .map(([name]) => name)
    // An object that always had what is like itself would have no end.
    const most = Math.min(MAX_OPTIONAL_RECURSIONS, Math.floor(Math.log2(MAX_COPIES / copies)))
    const subsets = subsetsOf(optional.slice(0, most))
    const forms = subsets.map((left) => {
      const without = new Set([...left, ...optional.slice(most)])
      const kept = all.filter(([name]) => !without.has(name))
      const properties = Object.fromEntries(
        kept.map(([name, each]) => [name, convert(each, copies * subsets.length)]),
      )
      return { type: 'object', properties }
    })
    return forms.length === 1 ? (forms[0] ?? ANY) : { oneOf: forms }
  }
  return convert
}

function typesOf({ type, properties, items }: SchemaObject): string[] {
  if (typeof type === 'string') return [type]
  if (Array.isArray(type)) return [...new Set(type.map(String))]
  if (properties !== undefined) return ['object']
  return items === undefined ? [] : ['array']
}

function extraOf({ additionalProperties }: SchemaObject, convert: (node: unknown) => Grammar): Grammar {
  if (additionalProperties === false) return { properties: {} }
  return { additionalProperties: isObject(additionalProperties) ? convert(additionalProperties) : true }
}

function arrayOf(node: SchemaObject, convert: (node: unknown) => Grammar): Grammar {
  const prefix = listIn(node, 'prefixItems')
  return {
    type: 'array',
    ...(node['items'] === undefined ? {} : { items: convert(node['items']) }),
    ...(prefix.length === 0 ? {} : { prefixItems: prefix.map(convert) }),
    ...boundsOf(node, 'minItems', 'maxItems'),
  }
}

function stringOf(node: SchemaObject): Grammar {
  const { format } = node
  if (typeof format === 'string' && FORMATS.has(format)) return { type: 'string', format }
  return { type: 'string', ...boundsOf(node, 'minLength', 'maxLength') }
}

function boundsOf(node: SchemaObject, min: string, max: string): Grammar {
  const isBound = (value: unknown): value is number =>
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_REPEATS
  const [low, high] = [node[min], node[max]]
  return {
    ...(isBound(low) ? { [min]: low } : {}),
    ...(isBound(high) && high >= (isBound(low) ? low : 0) ? { [max]: high } : {}),
  }
}

/** References anywhere in a schema, but not in what they lead to. */
function refsIn(node: unknown, refs = new Set<string>()): Set<string> {
  if (Array.isArray(node)) for (const each of node) refsIn(each, refs)
  if (!isObject(node)) return refs
  for (const [keyword, value] of Object.entries(node)) {
    if (keyword === '$ref' && typeof value === 'string') refs.add(value)
    else if (keyword !== '$defs' && keyword !== 'definitions') refsIn(value, refs)
  }
  return refs
}

/** Definitions that come back to themselves. */
function recursiveIn(definitions: ReadonlyMap<string, unknown>): Set<string> {
  const next = new Map([...definitions].map(([ref, schema]) => [ref, refsIn(schema)]))
  const reaches = (start: string) => {
    const seen = new Set<string>()
    const waiting = [...(next.get(start) ?? [])]
    for (let ref = waiting.pop(); ref !== undefined; ref = waiting.pop()) {
      if (ref === start) return true
      if (seen.has(ref)) continue
      seen.add(ref)
      waiting.push(...(next.get(ref) ?? []))
    }
    return false
  }
  return new Set([...definitions.keys()].filter(reaches))
}

function subsetsOf(names: readonly string[]): string[][] {
  return names.reduce<string[][]>((subsets, name) => subsets.flatMap((each) => [each, [...each, name]]), [[]])
}
