/**
 * The grammar of AGENTESE paths: `context.holon.aspect`, exactly three segments, so that every path is a place and
 * a verb. Errors name the segment that is wrong and what would be right.
 */
import { Failure } from '../failures.ts'

export const CONTEXTS = ['world', 'self', 'concept', 'void', 'time'] as const
export type Context = (typeof CONTEXTS)[number]

export interface AgentesePath {
  context: Context
  holon: string
  aspect: string
}

const MAX_PATH = 200
const MAX_SEGMENT = 64
const SEGMENT = /^[a-z][a-z0-9_]*$/

/**
 * Parses a path.
 *
 * @throws Failure PATH_SYNTAX that names the bad segment
 */
export function parsePath(text: string): AgentesePath {
  if (text.length > MAX_PATH) throw badPath(text.slice(0, 60), `it is longer than ${MAX_PATH} characters`)
  if (/[[\]@]/.test(text))
    throw badPath(text, 'clauses and annotations are not part of a path: pass them as input')
  const segments = text.split('.')
  const [context = '', holon = '', aspect = ''] = segments
  if (text === '') throw badPath(text, 'it is empty')
  if (!isContext(context)) {
    throw badPath(text, `"${context}" is not a context`, { available: CONTEXTS })
  }
  if (segments.length !== 3) throw badPath(text, `it has ${segments.length} of exactly 3 segments`)
  checkSegment(text, 'holon', holon)
  checkSegment(text, 'aspect', aspect)
  return { context, holon, aspect }
}

export function formatPath({ context, holon, aspect }: AgentesePath): string {
  return `${context}.${holon}.${aspect}`
}

function isContext(text: string): text is Context {
  return (CONTEXTS as readonly string[]).includes(text)
}

function checkSegment(path: string, role: string, segment: string): void {
  if (segment.length > MAX_SEGMENT)
    throw badPath(path, `the ${role} is longer than ${MAX_SEGMENT} characters`)
  if (!SEGMENT.test(segment)) {
    throw badPath(path, `the ${role} "${segment}" is not a lower-case letter followed by a-z, 0-9 or _`)
  }
}

function badPath(path: string, why: string, facts: { available?: readonly string[] } = {}): Failure {
  return new Failure('PATH_SYNTAX', `Cannot read path "${path}": ${why}`, {
    suggestion: 'Write context.holon.aspect, such as void.entropy.sip',
    ...facts,
  })
}

/** Up to `limit` of `known` that look most like `path`, by the segments and letter pairs they share. */
export function similarPaths(path: string, known: readonly string[], limit = 5): string[] {
  const pairs = letterPairs(path)
  return known
    .map((candidate) => ({ candidate, score: overlap(pairs, letterPairs(candidate)) }))
    .filter(({ score }) => score > 0.3)
    .sort((a, b) => b.score - a.score || a.candidate.localeCompare(b.candidate))
    .slice(0, limit)
    .map(({ candidate }) => candidate)
}

function letterPairs(text: string): Set<string> {
  return new Set(Array.from({ length: Math.max(0, text.length - 1) }, (_, at) => text.slice(at, at + 2)))
}

/** Sørensen-Dice coefficient of two sets, 0 to 1. */
function overlap(a: Set<string>, b: Set<string>): number {
  return (2 * a.intersection(b).size) / Math.max(1, a.size + b.size)
}
