/**
 * What a composition is going to do, worked out and checked as a whole before its first stage runs: that every stage
 * exists, that each result fits the next stage's `input`, and that the caller may use all of them.
 */
import { hasAffordance } from '../../../shared/agentese/affordances.ts'
import { capabilitiesOf } from '../../../shared/agentese/capabilities.ts'
import { composeEffects, scopesOf, type GivenEffects } from '../../../shared/agentese/effects.ts'
import { formatExpression, type Expression } from '../../../shared/agentese/expression.ts'
import { observerFor } from '../../../shared/agentese/observer.ts'
import { misfitOf } from '../../../shared/agentese/schema-fit.ts'
import type { Given } from '../../../shared/contract/call.ts'
import type { EndpointFacts } from '../../../shared/contract/facts.ts'
import { inputSchemaOf, outputSchemaOf } from '../../../shared/contract/schemas.ts'
import type { FoundAspect } from '../../../shared/contract/find-aspect.ts'
import { whatIsWrong } from '../../../shared/contract/what-is-wrong.ts'
import { Failure, type FailureCode, type FailureFacts } from '../../../shared/failures.ts'
import { checkAccess, checkMayBeKept } from '../../../shared/pipeline/check-access.ts'
import { findPath } from './resolve.ts'

export const MODES = ['fail-fast', 'collect'] as const
export type CompositionMode = (typeof MODES)[number]

/** One stage as it will be dispatched; plain data, so that it can be kept. */
export interface Stage {
  path: string
  function: string
  /** The caller's own arguments; the result before is added as `input` where the aspect takes one. */
  arguments: Record<string, unknown>
  takesInput: boolean
}

export interface Plan {
  expression: string
  kind: Expression['kind']
  stages: Stage[]
  mode: CompositionMode
  archetype: string | undefined
  /** Whether a stage may use a model: the composition is then a job. */
  asynchronous: boolean
  effects: readonly string[]
  scopes: string[]
  /** Estimated, by resource, over all stages. */
  cost: Readonly<Record<string, number>>
}

export interface CompositionRequest {
  expression: Expression
  /** Arguments of the stages, in their order. */
  inputs: readonly Record<string, unknown>[]
  mode: CompositionMode
  archetype: string | undefined
}

/**
 * Plans a composition.
 *
 * @throws Failure with `details.stage`, the first is 1: NODE_NOT_REGISTERED, TYPE_MISMATCH where a result does not
 *   fit or an input is a secret, AFFORDANCE_DENIED or SCOPE_MISSING where the caller may not
 */
export async function planComposition(
  request: CompositionRequest,
  call: Given<'postgres' | 'catalog', 'caller'>,
): Promise<Plan> {
  const { expression, inputs, mode, archetype } = request
  if (inputs.length > Math.max(1, expression.stages.length)) {
    throw new Failure(
      'TYPE_MISMATCH',
      `Cannot compose: ${inputs.length} inputs were given for ${expression.stages.length} stages`,
    )
  }
  const found: FoundAspect[] = []
  for (const [at, path] of expression.stages.entries())
    found.push(await atStage(at, path, () => findPath(path, call)))
  checkFit(expression.stages, found)
  await checkStages(expression.stages, found, archetype, call)
  const stages = found.map((each, at) => stageOf(expression.stages[at] ?? '', each, inputs[at] ?? {}))
  const { effects, charges } = composeEffects(found.map((each, at) => effectsOf(each, stages[at], at)))
  return {
    expression: formatExpression(expression),
    kind: expression.kind,
    stages,
    mode,
    archetype,
    asynchronous: found.some(({ endpoint }) => endpoint.streams),
    effects,
    scopes: scopesOf(effects),
    cost: charges,
  }
}

function stageOf(path: string, { definition, endpoint }: FoundAspect, given: Record<string, unknown>): Stage {
  return {
    path,
    function: definition.name,
    arguments: given,
    takesInput: inputOf(endpoint) !== undefined,
  }
}

/** Results that go into a stage must fit it; a stage without `input` takes nothing from the one before. */
function checkFit(paths: readonly string[], found: readonly FoundAspect[]): void {
  found.forEach(({ endpoint }, at) => {
    const before = found[at - 1]
    const wanted = inputOf(endpoint)
    if (before === undefined || wanted === undefined) return
    const misfit = misfitOf(outputSchemaOf(before.endpoint), wanted)
    if (misfit === undefined) return
    throw stageFailure(
      at,
      'TYPE_MISMATCH',
      `${paths[at]} does not take what ${paths[at - 1]} gives: ${misfit}`,
      {
        suggestion: 'Put a stage in between that makes of one what the other takes',
      },
    )
  })
}

/** The JSON Schema of the member by which an aspect takes a previous result; undefined where it takes none. */
function inputOf(endpoint: EndpointFacts): Record<string, unknown> | undefined {
  const { properties, $defs } = inputSchemaOf(endpoint) as {
    properties?: Record<string, Record<string, unknown>>
    $defs?: unknown
  }
  const wanted = properties?.['input']
  return wanted === undefined || $defs === undefined ? wanted : { ...wanted, $defs }
}

async function checkStages(
  paths: readonly string[],
  found: readonly FoundAspect[],
  archetype: string | undefined,
  call: Given<'postgres', 'caller'>,
): Promise<void> {
  const { identity } = call
  const observer = observerFor(identity.user, identity.roles, archetype)
  const aspects = found.map(({ endpoint }) => endpoint.aspect)
  const capabilities = aspects.every((aspect) => hasAffordance(observer, aspect))
    ? []
    : await call.transact('read', ({ db }) => capabilitiesOf(db, identity, () => aspects))
  for (const [at, each] of found.entries()) {
    const path = paths[at] ?? ''
    await atStage(at, path, () => {
      checkAccess(path, each, { ...observer, capabilities }, identity)
      checkMayBeKept(path, each)
    })
  }
}

/** What may stand for the result before, as long as nobody knows it: no words, or no members. */
const NOT_KNOWN_YET = ['', {}] as const

/**
 * What a stage does and is expected to cost.
 *
 * @throws Failure TYPE_MISMATCH where it does not take its arguments, and no result before can change that
 */
function effectsOf({ endpoint }: FoundAspect, stage: Stage | undefined, at: number): GivenEffects {
  const { path = '', arguments: given = {}, takesInput = false } = stage ?? {}
  const { effects, cost } = endpoint.aspect
  const alone = endpoint.input.safeParse(given)
  if (alone.success) return { effects, charges: cost?.(alone.data) ?? {} }
  if (at === 0 || !takesInput) {
    throw stageFailure(
      at,
      'TYPE_MISMATCH',
      `${path} does not take its arguments: ${whatIsWrong(alone.error)}`,
      { suggestion: `See ${path.replace(/[^.]+$/, 'help')} for its input` },
    )
  }
  const guesses = NOT_KNOWN_YET.map((input) => endpoint.input.safeParse({ ...given, input }))
  const fitting = guesses.find(({ success }) => success)
  return fitting === undefined ? { effects } : { effects, charges: cost?.(fitting.data) ?? {} }
}

async function atStage<T>(at: number, path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw new Failure(error.code, `Stage ${at + 1}, ${path}: ${error.message}`, {
      ...error.facts,
      details: { ...error.facts.details, stage: at + 1 },
    })
  }
}

function stageFailure(at: number, code: FailureCode, why: string, facts: FailureFacts = {}): Failure {
  return new Failure(code, `Cannot compose: stage ${at + 1}, ${why}`, {
    ...facts,
    details: { stage: at + 1 },
  })
}
