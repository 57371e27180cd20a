/** Which kind of field a JSON Schema needs. */
import { resolve, type Schema } from '../core/openapi.ts'

export type Kind =
  | { kind: 'choice'; options: unknown[] }
  | { kind: 'choices'; options: unknown[] }
  | { kind: 'fixed'; value: unknown }
  | { kind: 'yes-no' }
  | { kind: 'number'; whole: boolean }
  | { kind: 'text'; long: boolean; type: string }
  | { kind: 'time' }
  | { kind: 'list'; items: Schema }
  | { kind: 'object'; schema: Schema }
  | { kind: 'one-of'; variants: Schema[] }
  | { kind: 'json' }

const LONG_TEXT = 2000
const INPUT_TYPES: Record<string, string> = { email: 'email', uri: 'url', date: 'date' }

/** @param root where the references of `schema` begin */
export function kindOf(given: Schema, root: Schema): Kind {
  const schema = withoutNull(resolve(given, root), root)
  if (schema.const !== undefined) return { kind: 'fixed', value: schema.const }
  if (schema.enum !== undefined) return { kind: 'choice', options: schema.enum }
  const variants = schema.anyOf ?? schema.oneOf
  if (variants !== undefined && schema.properties === undefined) return ofVariants(variants, root)
  switch (typeOf(schema)) {
    case 'boolean':
      return { kind: 'yes-no' }
    case 'integer':
      return { kind: 'number', whole: true }
    case 'number':
      return { kind: 'number', whole: false }
    case 'string':
      return ofText(schema)
    case 'array':
      return ofArray(schema, root)
    case 'object':
      return Object.keys(schema.properties ?? {}).length > 0 ? { kind: 'object', schema } : { kind: 'json' }
    default:
      return { kind: 'json' }
  }
}

/** What is "this, or null" is an optional this. */
function withoutNull(schema: Schema, root: Schema): Schema {
  const variants = (schema.anyOf ?? schema.oneOf)?.filter((each) => typeOf(resolve(each, root)) !== 'null')
  const [only] = variants ?? []
  return variants?.length === 1 && only !== undefined
    ? ({ ...schema, anyOf: undefined, oneOf: undefined, ...resolve(only, root) } as Schema)
    : schema
}

function typeOf({ type, properties }: Schema): string | undefined {
  if (Array.isArray(type)) return type.find((each) => each !== 'null')
  return type ?? (properties === undefined ? undefined : 'object')
}

function ofVariants(variants: Schema[], root: Schema): Kind {
  const constants = variants.map((each) => resolve(each, root).const)
  return constants.every((each) => each !== undefined)
    ? { kind: 'choice', options: constants }
    : { kind: 'one-of', variants }
}

function ofText({ format = '', maxLength = 0 }: Schema): Kind {
  if (format === 'date-time') return { kind: 'time' }
  return {
    kind: 'text',
    long: format !== 'uri' && maxLength >= LONG_TEXT,
    type: INPUT_TYPES[format] ?? 'text',
  }
}

function ofArray({ items = {} }: Schema, root: Schema): Kind {
  const inner = resolve(items, root)
  return inner.enum === undefined ? { kind: 'list', items } : { kind: 'choices', options: inner.enum }
}
