/**
 * What an invocation may name: one path, several one after the other (`a >> b`), or several aspects of one node
 * (`world.house.pipe(manifest, measure)`). `Id` is the unit of `>>`: it adds no stage, and alone it returns its input.
 */
import { Failure } from '../failures.ts'
import { formatPath, MAX_PATH, parseNode, parsePath } from './path.ts'
import { quote } from './quote.ts'

export interface Expression {
  kind: 'path' | 'composition' | 'pipeline'
  /** Full paths in the order in which they run; none returns the input. */
  stages: readonly string[]
}

/** The unit of composition. */
export const IDENTITY: Expression = { kind: 'composition', stages: [] }

const UNIT = 'Id'
const ARROW = '>>'
const PIPE = '.pipe('
const MAX_STAGES = 20
/** Every stage at its longest, and as much again for space and units. */
const MAX_EXPRESSION = 2 * MAX_STAGES * MAX_PATH

/**
 * Parses an expression. An empty pipe is the unit; a pipe among other stages is those stages.
 *
 * @param expand replaces the alias that a path or node may start with, see `expandAlias`
 * @throws Failure PATH_SYNTAX that names the stage, or the aspect of a pipe, and its bad segment; and what `expand`
 *   throws. Positions start at 1 and are also in `details`
 */
export function parseExpression(text: string, expand: (text: string) => string): Expression {
  if (text.length > MAX_EXPRESSION) {
    throw badExpression(text, `it is longer than ${MAX_EXPRESSION} characters`, 'Compose fewer stages')
  }
  const operands = text.split(ARROW)
  const parsed = operands.map((operand, at) =>
    operands.length === 1
      ? parseOperand(operand.trim(), expand)
      : within('stage', at + 1, () => parseOperand(operand.trim(), expand)),
  )
  const expression = parsed.reduce(compose, IDENTITY)
  const { length } = expression.stages
  if (length <= MAX_STAGES) return expression
  throw badExpression(
    text,
    `it has ${length} stages of at most ${MAX_STAGES}`,
    'Split it, and pass the result on as input',
  )
}

/** `a`, then `b`. Associative, with `IDENTITY` as its unit on both sides. */
export function compose(a: Expression, b: Expression): Expression {
  if (a.stages.length === 0) return b
  if (b.stages.length === 0) return a
  return { kind: 'composition', stages: [...a.stages, ...b.stages] }
}

/** The text that `parseExpression` reads as `expression`. */
export function formatExpression({ kind, stages }: Expression): string {
  const [first] = stages
  if (first === undefined) return UNIT
  if (kind !== 'pipeline') return stages.join(` ${ARROW} `)
  const paths = stages.map(parsePath)
  const { context, holon } = parsePath(first)
  return `${context}.${holon}${PIPE}${paths.map(({ aspect }) => aspect).join(', ')})`
}

function parseOperand(text: string, expand: (text: string) => string): Expression {
  if (text === UNIT) return IDENTITY
  if (text.includes(PIPE)) return parsePipeline(text, expand)
  return { kind: 'path', stages: [formatPath(parsePath(expand(text)))] }
}

function parsePipeline(text: string, expand: (text: string) => string): Expression {
  const open = text.indexOf(PIPE)
  if (!text.endsWith(')')) {
    throw badExpression(text, 'its pipe does not end with ")"', 'Write context.holon.pipe(aspect, aspect)')
  }
  const { context, holon } = parseNode(expand(text.slice(0, open)))
  const aspects = text.slice(open + PIPE.length, -1).trim()
  if (aspects === '') return IDENTITY
  const stages = aspects.split(',').map((aspect, at) => {
    const path = `${context}.${holon}.${aspect.trim()}`
    return within('aspect', at + 1, () => formatPath(parsePath(path)))
  })
  return { kind: 'pipeline', stages }
}

/** Adds to a failure of `work` which stage, or which aspect of a pipe, it is about. */
function within<T>(part: 'stage' | 'aspect', position: number, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw new Failure(error.code, `In ${part} ${position}: ${error.message}`, {
      ...error.facts,
      details: { ...error.facts.details, [part]: position },
    })
  }
}

function badExpression(text: string, why: string, suggestion: string): Failure {
  return new Failure('PATH_SYNTAX', `Cannot read expression ${quote(text)}: ${why}`, { suggestion })
}
