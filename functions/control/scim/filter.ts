/**
 * Filters of SCIM as conditions of SQL. The library reads them; what it reads is compared with the attributes that are here, and
 * an attribute that is not is an error: a filter that was ignored would find everybody.
 */
import type { PendingQuery, Row } from 'postgres'
import SCIMMY from 'scimmy'
import type { Db } from '../../../shared/database/database.ts'
import { invalid } from './errors.ts'

type Condition = PendingQuery<Row[]>

/** By the path of an attribute in lower case, its column: text, or a truth. */
export type Columns = Readonly<Record<string, { column: string; type: 'text' | 'exact' | 'boolean' }>>

const MAX_LENGTH = 1000
const MAX_COMPARISONS = 20

/** @throws Failure TYPE_MISMATCH where the filter cannot be read, or is about what is not here */
export function toCondition(filter: string | undefined, columns: Columns, db: Db): Condition {
  if (filter === undefined) return db`true`
  const all = readFilter(filter).map((each) => comparisonsIn(each))
  if (all.flat().length > MAX_COMPARISONS)
    throw invalid('tooMany', `the filter has more than ${MAX_COMPARISONS} comparisons`)
  return joined(
    all.map((each) =>
      joined(
        each.map((one) => compare(one, columns, db)),
        'and',
        db,
      ),
    ),
    'or',
    db,
  )
}

function readFilter(filter: string): object[] {
  if (filter.length > MAX_LENGTH)
    throw invalid('invalidFilter', `the filter is longer than ${MAX_LENGTH} characters`)
  try {
    const read: unknown[] = [...new SCIMMY.Types.Filter(filter)]
    return read.filter((each) => typeof each === 'object' && each !== null)
  } catch (cause) {
    throw invalid('invalidFilter', `the filter is not one: ${cause instanceof Error ? cause.message : ''}`)
  }
}

interface Comparison {
  path: string
  negated: boolean
  operator: string
  value: unknown
}

/** Comparisons that must all hold. */
function comparisonsIn(given: object, prefix = ''): Comparison[] {
  return Object.entries(given).flatMap(([name, value]: [string, unknown]) => {
    const path = `${prefix}${name.slice(name.lastIndexOf(':') + 1).toLowerCase()}`
    if (!Array.isArray(value))
      return typeof value === 'object' && value !== null ? comparisonsIn(value, `${path}.`) : []
    const several = Array.isArray(value[0]) ? (value as unknown[][]) : [value]
    return several.map((each) => toComparison(path, each))
  })
}

function toComparison(path: string, parts: unknown[]): Comparison {
  const negated = parts[0] === 'not'
  const [operator, value] = negated ? parts.slice(1) : parts
  return { path, negated, operator: String(operator).toLowerCase(), value }
}

/** Of which kind an address is plays no part: there is one. */
const IGNORED = new Set(['emails.type', 'emails.primary'])

function compare({ path, negated, operator, value }: Comparison, columns: Columns, db: Db): Condition {
  if (IGNORED.has(path)) return db`true`
  const found = Object.hasOwn(columns, path) ? columns[path] : undefined
  if (found === undefined) throw invalid('invalidFilter', `"${path}" cannot be filtered by`)
  const condition = compareColumn(found, operator, value, db)
  return negated ? db`not ${condition}` : condition
}

function compareColumn(
  { column, type }: Columns[string],
  operator: string,
  value: unknown,
  db: Db,
): Condition {
  const name = db.unsafe(column)
  if (operator === 'pr') return db`(${name} is not null)`
  if (type === 'boolean') {
    if (typeof value === 'boolean' && operator === 'eq') return db`(${name} = ${value})`
    if (typeof value === 'boolean' && operator === 'ne') return db`(${name} <> ${value})`
    throw invalid('invalidFilter', `"${operator}" does not compare a truth`)
  }
  const text = type === 'exact' ? String(value) : String(value).toLowerCase()
  const compared = type === 'exact' ? db`${name}::text` : db`lower(${name})`
  switch (operator) {
    case 'eq':
      return db`(${compared} = ${text})`
    case 'ne':
      return db`(${compared} is distinct from ${text})`
    case 'co':
      return db`(position(${text} in ${compared}) > 0)`
    case 'sw':
      return db`(starts_with(${compared}, ${text}))`
    case 'ew':
      return db`(right(${compared}, char_length(${text})) = ${text})`
    default:
      throw invalid('invalidFilter', `"${operator}" is not supported`)
  }
}

function joined(conditions: readonly Condition[], word: 'and' | 'or', db: Db): Condition {
  const [first, ...others] = conditions
  if (first === undefined) throw invalid('invalidFilter', 'the filter is empty')
  return others.reduce((all, each) => db`(${all} ${db.unsafe(word)} ${each})`, first)
}
