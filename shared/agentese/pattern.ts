/**
 * Patterns over AGENTESE paths: `self.memory.*`, `void.**`. `*` stands for one segment, `**` for any number of them.
 *
 * A path has exactly three segments, so a pattern is read into the few shapes of three that it can take. Matching and
 * NATS subjects both come from the shapes, and therefore cannot disagree.
 */
import { Failure } from '../failures.ts'
import { CONTEXTS } from './path.ts'
import { beginningOf } from '../beginning.ts'
import { IDENTIFIER } from '../text/identifier.ts'

export interface Pattern {
  text: string
  /** Context, holon and aspect, each a name or `*`; a path matches where it fits any of them. None covers another. */
  shapes: readonly Shape[]
}

type Shape = readonly [context: string, holon: string, aspect: string]

const MAX_PATTERN = 200
const SEGMENTS = 3
const ONE = String.raw`(\*{1,2}|${IDENTIFIER})`
const SEGMENT = new RegExp(`^${ONE}$`)

/** For schemas: what every pattern is. */
export const PATTERN_SCHEMA = { pattern: String.raw`^${ONE}(\.${ONE})*$`, maxLength: MAX_PATTERN }

/**
 * Reads a pattern.
 *
 * @throws Failure PATH_SYNTAX that names the bad segment; also where no path at all could match
 */
export function parsePattern(text: string): Pattern {
  if (text === '') throw badPattern(text, 'it is empty')
  if (text.length > MAX_PATTERN)
    throw badPattern(beginningOf(text, 60), `it is longer than ${MAX_PATTERN} characters`)
  const segments = text.split('.')
  for (const segment of segments) checkSegment(text, segment)
  const named = segments.filter((segment) => segment !== '**').length
  if (named > SEGMENTS || (named < SEGMENTS && !segments.includes('**'))) {
    throw badPattern(text, `it has ${named} segments, where a path has exactly ${SEGMENTS}`)
  }
  const inFull = expand(segments, SEGMENTS).filter(isShape)
  const shapes = inFull.filter(([context]) => context === '*' || isContext(context))
  if (shapes.length === 0) {
    throw badPattern(text, `"${inFull[0]?.[0]}" is not a context`, { available: CONTEXTS })
  }
  return { text, shapes: withoutCovered(shapes) }
}

/** Whether `path` (`context.holon.aspect`) fits the pattern. */
export function matchesPattern({ shapes }: Pattern, path: string): boolean {
  const segments = path.split('.')
  return segments.length === SEGMENTS && shapes.some((shape) => covers(shape, segments))
}

/** All ways to give each `**` a number of `*`, so that `length` segments come out. */
function expand([first, ...rest]: readonly string[], length: number): string[][] {
  if (first === undefined) return length === 0 ? [[]] : []
  if (first !== '**') return length === 0 ? [] : expand(rest, length - 1).map((tail) => [first, ...tail])
  if (rest[0] === '**') return expand(rest, length)
  return Array.from({ length: length + 1 }, (_, taken) =>
    expand(rest, length - taken).map((tail) => [...Array.from({ length: taken }, () => '*'), ...tail]),
  ).flat()
}

function isShape(segments: string[]): segments is [string, string, string] {
  return segments.length === SEGMENTS
}

function withoutCovered(shapes: readonly Shape[]): Shape[] {
  const different = shapes.filter(
    (shape, at) => shapes.findIndex((other) => other.join('.') === shape.join('.')) === at,
  )
  return different.filter((shape) => !different.some((other) => other !== shape && covers(other, shape)))
}

function covers(shape: Shape, segments: readonly string[]): boolean {
  return shape.every((name, at) => name === '*' || name === segments[at])
}

function isContext(text: string): boolean {
  return (CONTEXTS as readonly string[]).includes(text)
}

function checkSegment(text: string, segment: string): void {
  if (SEGMENT.test(segment)) return
  throw badPattern(text, `segment "${segment}" is neither a name (a-z, 0-9 and _, up to 64) nor * nor **`)
}

function badPattern(text: string, why: string, facts: { available?: readonly string[] } = {}): Failure {
  return new Failure('PATH_SYNTAX', `Cannot read pattern "${text}": ${why}`, {
    suggestion:
      'Write context.holon.aspect with * for any one segment and ** for any number, such as self.memory.*',
    ...facts,
  })
}
