/**
 * The grammar of AGENTESE paths: `context.holon.aspect`, exactly three segments, so that every path is a place and
 * a verb. Errors name the segment that is wrong, by its position, and what would be right.
 */
import { Failure, type FailureFacts } from '../failures.ts'
import { IDENTIFIER, identifierOf, MAX_IDENTIFIER } from '../text/identifier.ts'
import { quote } from './quote.ts'

export const CONTEXTS = ['world', 'self', 'concept', 'void', 'time'] as const
export type Context = (typeof CONTEXTS)[number]

/** A place: what a path is without its verb. */
export interface AgenteseNode {
  context: Context
  holon: string
}

export interface AgentesePath extends AgenteseNode {
  aspect: string
}

/** Three segments of the longest kind stay below it, so what is longer always has a segment to blame. */
export const MAX_PATH = 200
const MAX_URL_FORM = 2000
const SEGMENT = /^[a-z][a-z0-9_]*$/

/** A path, for schemas. */
export const PATH_PATTERN = `^(${CONTEXTS.join('|')})(\\.${IDENTIFIER}){2}$`
/** A node, for schemas. */
export const NODE_PATTERN = `^(${CONTEXTS.join('|')})\\.${IDENTIFIER}$`
/** The same, or an alias of one. */
export const NODE_OR_ALIAS_PATTERN = `^${IDENTIFIER}(\\.${IDENTIFIER})?$`
/** One segment, for schemas. */
export const SEGMENT_SCHEMA = { pattern: SEGMENT.source, maxLength: MAX_IDENTIFIER }

const PARTS = ['context', 'holon', 'aspect'] as const
const EXAMPLES = ['void', 'entropy', 'sip'] as const

/** What is being read, for messages: a text, and how many segments it should have. */
interface Reading {
  text: string
  segments: 2 | 3
}

/**
 * Parses a path.
 *
 * @throws Failure PATH_SYNTAX that names the bad segment
 */
export function parsePath(text: string): AgentesePath {
  const reading: Reading = { text, segments: 3 }
  const [context, holon, aspect, surplus] = split(text)
  const path = {
    context: readContext(reading, context),
    holon: readSegment(reading, 2, holon),
    aspect: readSegment(reading, 3, aspect),
  }
  checkEnd(reading, surplus)
  return path
}

/**
 * Parses `context.holon`.
 *
 * @throws Failure PATH_SYNTAX that names the bad segment
 */
export function parseNode(text: string): AgenteseNode {
  const reading: Reading = { text, segments: 2 }
  const [context, holon, surplus] = split(text)
  const node = { context: readContext(reading, context), holon: readSegment(reading, 2, holon) }
  checkEnd(reading, surplus)
  return node
}

/**
 * Reads the context that a path starts with, and no more of it.
 *
 * @param alternatives names that may stand in its place, offered beside the contexts when there is none
 * @throws Failure PATH_SYNTAX
 */
export function parseContext(text: string, alternatives: readonly string[] = []): Context {
  return readContext({ text, segments: 3 }, split(text)[0], alternatives)
}

/**
 * Parses a deep link: `world.house:manifest?x=1`.
 *
 * @throws Failure PATH_SYNTAX that names the bad segment or the parameter that is given twice
 */
export function parseUrlForm(text: string): { path: AgentesePath; parameters: Record<string, string> } {
  if (text.length > MAX_URL_FORM) {
    throw badLink(text, `it is longer than ${MAX_URL_FORM} characters`, 'Send long input in the body')
  }
  const [address, query] = cut(text, '?')
  const [node, aspect] = cut(address, ':')
  if (aspect === undefined) throw badLink(text, 'no ":" stands between node and aspect')
  const { context, holon } = parseNode(node)
  return {
    path: parsePath(`${context}.${holon}.${aspect}`),
    parameters: readParameters(text, query ?? ''),
  }
}

export function formatPath({ context, holon, aspect }: AgentesePath): string {
  return `${context}.${holon}.${aspect}`
}

export function isContext(text: string): text is Context {
  return (CONTEXTS as readonly string[]).includes(text)
}

/** Why `text` is no identifier, to be put after its name in a message; undefined where it is one. */
export function identifierFault(text: string): string | undefined {
  if (text === '') return 'is empty'
  if (text.length > MAX_IDENTIFIER) return `is longer than ${MAX_IDENTIFIER} characters`
  return SEGMENT.test(text) ? undefined : 'is not a lower-case letter followed by a-z, 0-9 or _'
}

/** The identifier that was probably meant by `text`, as a suggestion. */
export function suggestIdentifier(text: string): string | undefined {
  const meant = identifierOf(text.slice(0, MAX_IDENTIFIER))
  return identifierFault(meant) === undefined ? `Write "${meant}"` : undefined
}

/** The segments, up to one too many; of a text that is too long, enough to find the one that is at fault. */
function split(text: string): string[] {
  return text.slice(0, MAX_PATH + 1).split('.', PARTS.length + 1)
}

function readContext(reading: Reading, segment = '', alternatives: readonly string[] = []): Context {
  checkClause(reading, 1, segment)
  if (isContext(segment)) return segment
  const why = segment === '' ? 'the context, is missing' : `${quote(segment)}, is not a context`
  throw badSegment(reading, 1, why, { available: [...CONTEXTS, ...alternatives] })
}

function readSegment(reading: Reading, position: 2 | 3, segment: string | undefined): string {
  const part = PARTS[position - 1]
  if (segment === undefined) throw badSegment(reading, position, `the ${part}, is missing`)
  checkClause(reading, position, segment)
  const fault = identifierFault(segment)
  if (fault === undefined) return segment
  const suggestion = suggestIdentifier(segment)
  throw badSegment(
    reading,
    position,
    `the ${part} ${quote(segment)}, ${fault}`,
    suggestion === undefined ? {} : { suggestion },
  )
}

function checkClause(reading: Reading, position: number, segment: string): void {
  if (!/[[\]@]/.test(segment)) return
  throw badSegment(reading, position, `${quote(segment)}, carries a clause or an annotation`, {
    suggestion: 'Pass it as input: a path has none',
  })
}

function checkEnd(reading: Reading, surplus: string | undefined): void {
  if (surplus === undefined) return
  const { segments } = reading
  throw badSegment(reading, segments + 1, `${quote(surplus)}, is more than the ${segments} there can be`, {
    suggestion: 'Pass ids and options as input',
  })
}

function badSegment(
  { text, segments }: Reading,
  segment: number,
  why: string,
  facts: Pick<FailureFacts, 'available' | 'suggestion'> = {},
): Failure {
  const kind = segments === 3 ? 'path' : 'node'
  const shape = `${PARTS.slice(0, segments).join('.')}, such as ${EXAMPLES.slice(0, segments).join('.')}`
  return new Failure('PATH_SYNTAX', `Cannot read ${kind} ${quote(text)}: segment ${segment}, ${why}`, {
    suggestion: `Write ${shape}`,
    ...facts,
    details: { segment },
  })
}

function readParameters(text: string, query: string): Record<string, string> {
  const parameters = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (parameters.has(name)) {
      throw badLink(text, `parameter ${quote(name)} is given twice`, 'Give each parameter once')
    }
    parameters.set(name, value)
  }
  return Object.fromEntries(parameters)
}

function badLink(
  text: string,
  why: string,
  suggestion = 'Write context.holon:aspect, such as void.entropy:sip?amount=1',
): Failure {
  return new Failure('PATH_SYNTAX', `Cannot read link ${quote(text)}: ${why}`, { suggestion })
}

/** What is before and after the first `mark`; nothing is after it where there is none. */
function cut(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark)
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

/** Up to `limit` of `known` that are most similar to `path`, by the letter pairs they share; best first. */
export function similarPaths(path: string, known: readonly string[], limit = 5): string[] {
  const pairs = letterPairs(path)
  return known
    .map((candidate) => ({ candidate, score: overlap(pairs, letterPairs(candidate)) }))
    .filter(({ score }) => score > 0.3)
    .sort((a, b) => b.score - a.score || a.candidate.localeCompare(b.candidate))
    .slice(0, limit)
    .map(({ candidate }) => candidate)
}

/** Of a long text only the beginning counts: what a caller sends must not decide how long this takes. */
function letterPairs(text: string): Set<string> {
  const length = Math.max(0, Math.min(text.length, MAX_PATH) - 1)
  return new Set(Array.from({ length }, (_, at) => text.slice(at, at + 2)))
}

/** Sørensen-Dice coefficient of two sets, 0 to 1. */
function overlap(a: Set<string>, b: Set<string>): number {
  return (2 * a.intersection(b).size) / Math.max(1, a.size + b.size)
}
