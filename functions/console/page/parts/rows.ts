/** Where the rows of an answer are, and which columns show them. */
import type { Json } from '../core/api.ts'
import { resolve, type Operation, type Schema } from '../core/openapi.ts'
import type { Column } from './table.ts'

const MAX_COLUMNS = 7
/** Of the rows themselves, not of the tenant that one is in anyway. */
const DULL = new Set(['id', 'tenant_id'])

/** An answer of a path has its list in `result`. */
export function listIn(answer: Json, member?: string): Json[] {
  const holder = (answer['result'] as Json | undefined) ?? answer
  const found = member === undefined ? Object.values(holder).find(Array.isArray) : holder[member]
  const list = Array.isArray(found) ? (found as unknown[]) : []
  return list.map((each) => (typeof each === 'object' && each !== null ? (each as Json) : { value: each }))
}

export function cursorIn(answer: Json): string | undefined {
  const holder = (answer['result'] as Json | undefined) ?? answer
  return typeof holder['next_cursor'] === 'string' ? holder['next_cursor'] : undefined
}

/** The members that most rows have and that fit into a line: those that the schema of a row names first. */
export function columnsOf(operation: Operation, member?: string): Column[] {
  const row = rowSchema(operation, member)
  const names = Object.entries(row.properties ?? {}).filter(
    ([name, schema]) => !DULL.has(name) && isShort(schema),
  )
  return names.slice(0, MAX_COLUMNS).map(([name]) => ({ name }))
}

/** Those that any row has something in. */
export function filledColumns(columns: readonly Column[], rows: readonly Json[]): Column[] {
  return columns.filter(({ name }) => rows.some((row) => row[name] !== undefined && row[name] !== null))
}

function rowSchema({ output }: Operation, member?: string): Schema {
  const whole = resolve(output.anyOf?.[0] ?? output)
  const answer = resolve(whole.properties?.['result'] ?? whole)
  const lists = Object.entries(answer.properties ?? {}).filter(([, { type }]) => type === 'array')
  const [, list] = lists.find(([name]) => member === undefined || name === member) ?? []
  return resolve(list?.items ?? {})
}

function isShort({ type, properties, items }: Schema): boolean {
  if (properties?.['slug'] !== undefined) return true
  if (type === 'object' || properties !== undefined) return false
  return type !== 'array' || items?.type === 'string'
}
