/**
 * Queries list what there is, and invoke nothing: `?world.*` the nodes of a context, `?*.*.manifest` the aspects of that
 * name, `?self.memory.?` the verbs that the observer has there. `*` in a name stands for any letters, also none.
 */
import { Failure, type FailureFacts } from '../failures.ts'
import { CONTEXTS, identifierFault, isContext, MAX_PATH, type Context } from './path.ts'
import { quote } from './quote.ts'

export interface Query {
  context: Context | '*'
  /** A name or a pattern; `*` where the query names only a context. */
  holon: string
  /** Absent: nodes are queried; present: aspects. */
  aspect?: string
  /** Whether it ends in `?`: only the aspects that the observer has. */
  affordances: boolean
}

export interface Bounds {
  limit: number
  offset: number
}

export const MAX_LIMIT = 1000
const DEFAULT_LIMIT = 100
const ANY = '*'
const AFFORDANCES = '?'
/** One unit of the estimate, in the unit of charges. */
const UNITS_PER_CHARGE = 1000

/**
 * Parses a query.
 *
 * @throws Failure QUERY_SYNTAX that names the bad segment
 */
export function parseQuery(text: string): Query {
  if (!text.startsWith('?')) {
    throw badQuery(text, 'it does not start with "?"', { suggestion: `Write ${quote(`?${text}`)}` })
  }
  const [context = '', holon = ANY, aspect, surplus] = text.slice(1, MAX_PATH + 2).split('.', 4)
  if (text === '?') throw badQuery(text, 'it names nothing', { suggestion: 'Write ?world.* or ?*' })
  if (context !== ANY && !isContext(context)) {
    throw badSegment(text, 1, `${quote(context)}, is no context`, { available: [...CONTEXTS, ANY] })
  }
  checkPattern(text, 2, holon)
  const affordances = aspect === AFFORDANCES
  if (aspect !== undefined && !affordances) checkPattern(text, 3, aspect)
  if (surplus !== undefined) throw badSegment(text, 4, `${quote(surplus)}, is more than the 3 there can be`)
  return {
    context,
    holon,
    ...(aspect === undefined ? {} : { aspect: affordances ? ANY : aspect }),
    affordances,
  }
}

/** Whether a node (`world.house`) or a path (`world.house.manifest`) matches a query. */
export function matchesQuery(query: Query, path: string): boolean {
  const [context = '', holon = '', aspect, surplus] = path.split('.', 4)
  if (surplus !== undefined || (aspect === undefined) !== (query.aspect === undefined)) return false
  return (
    matchesPattern(query.context, context) &&
    matchesPattern(query.holon, holon) &&
    matchesPattern(query.aspect ?? ANY, aspect ?? '')
  )
}

/** What answering a query is estimated to cost: the less it names, the more it has to read. */
export function estimateQuery({ context, holon, affordances }: Query): number {
  if (context === ANY) return 500 / UNITS_PER_CHARGE
  if (holon.includes(ANY)) return 50 / UNITS_PER_CHARGE
  return (affordances ? 1 : 10) / UNITS_PER_CHARGE
}

/**
 * How many matches to answer, from which on. Too few and too early become the least there is; too many do not pass.
 *
 * @throws Failure QUERY_BOUND
 */
export function boundsOf(requested: { limit?: number | undefined; offset?: number | undefined }): Bounds {
  const limit = Math.max(1, Math.trunc(requested.limit ?? DEFAULT_LIMIT))
  const offset = Math.max(0, Math.trunc(requested.offset ?? 0))
  if (!(limit <= MAX_LIMIT)) {
    throw new Failure(
      'QUERY_BOUND',
      `Cannot answer "${requested.limit}" matches: at most ${MAX_LIMIT} at once`,
      {
        suggestion: `Page: limit ${MAX_LIMIT}, and offset ${MAX_LIMIT} for the next ones`,
      },
    )
  }
  if (!Number.isSafeInteger(offset)) {
    throw new Failure('QUERY_BOUND', `Cannot start at match "${requested.offset}": it is no whole number`, {
      suggestion: 'Add the limit to the offset of the page before',
    })
  }
  return { limit, offset }
}

/** The SQL LIKE pattern (escape character `\`) that matches what `pattern` matches. */
export function toLike(pattern: string): string {
  return pattern.replace(/[\\%_]/g, '\\$&').replaceAll(ANY, '%')
}

/**
 * Takes each piece between two stars at its first place after the one before. What is left can only be longer than
 * for any other place, so nothing has to be tried twice.
 */
function matchesPattern(pattern: string, name: string): boolean {
  const [first = '', ...pieces] = pattern.split(ANY)
  const last = pieces.pop()
  if (last === undefined) return pattern === name
  if (!name.startsWith(first)) return false
  let from = first.length
  for (const piece of pieces) {
    const at = name.indexOf(piece, from)
    if (at === -1) return false
    from = at + piece.length
  }
  return name.length - from >= last.length && name.endsWith(last)
}

function checkPattern(text: string, position: 2 | 3, pattern: string): void {
  // With a letter for each star, a pattern is good exactly where it is an identifier.
  const fault = pattern.includes('**')
    ? 'has two stars in a row'
    : identifierFault(pattern.replaceAll(ANY, 'a'))
  if (fault === undefined) return
  const name = position === 2 ? 'holon' : 'aspect'
  throw badSegment(text, position, `the ${name} ${quote(pattern)}, ${fault}`)
}

function badSegment(text: string, segment: number, why: string, facts: FailureFacts = {}): Failure {
  return badQuery(text, `segment ${segment}, ${why}`, { ...facts, details: { segment } })
}

function badQuery(text: string, why: string, facts: FailureFacts): Failure {
  return new Failure('QUERY_SYNTAX', `Cannot read query ${quote(text)}: ${why}`, {
    suggestion: 'Write ?context.holon.aspect with * for any, such as ?world.* or ?self.memory.?',
    ...facts,
  })
}
