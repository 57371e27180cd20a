/** Runs the stages of a composition, one after the other, each on the function that serves it. */
import { v5 as uuidv5 } from 'uuid'
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import type { DispatchAnswer, Dispatcher } from '../../../shared/contract/platform.ts'
import { addTo, type Amounts } from '../../../shared/amount.ts'
import { Failure, failureFrom } from '../../../shared/failures.ts'
import { FinishReason } from '../../../shared/inference/messages.ts'
import type { CompositionMode, Plan, Stage } from './composition-plan.ts'

export const StageResult = z.strictObject({
  path: z.string(),
  aspect: z.string(),
  success: z.boolean(),
  result: z.unknown().optional(),
  error: z.strictObject({ code: z.string(), message: z.string() }).optional(),
  charges: z.record(z.string(), z.number()),
  duration_ms: z.number(),
  /** Why the model ended its answer, where one worked. */
  finish_reason: FinishReason.optional(),
  /** The job that the stage was, where a model worked. */
  job: z.string().optional(),
})
export type StageResult = z.infer<typeof StageResult>

export const CompositionResult = z.strictObject({
  expression: z.string(),
  stages: z.array(StageResult),
  final_result: z.unknown(),
  success: z.boolean(),
  /** Index of the first stage that failed; -1 where none did. */
  failed_at: z.int(),
  charges: z.record(z.string(), z.number()),
  total_duration_ms: z.number(),
})
export type CompositionResult = z.infer<typeof CompositionResult>

/** Namespace of the keys of stages. */
const STAGE_KEYS = '0b0f5e0a-6c1d-4c55-9b0e-2f4a7d1c8e63'

/** What became of one dispatch. */
export type StageOutcome =
  | { kind: 'ended'; result: StageResult; failure?: Failure; repeated?: boolean }
  | { kind: 'job'; job: string }

export interface StageCall {
  stage: Stage
  archetype: string | undefined
  /** The result before; undefined for the first stage. */
  previous: { result: unknown } | undefined
  idempotencyKey: string | undefined
  parent?: string
  /** Whether it is not the first: that one stands for the request. */
  inner: boolean
}

/** Runs a plan to its end within this request. It is a repetition where each of its stages was one. */
export async function runComposition(
  plan: Plan,
  input: unknown,
  call: Dispatching & Pick<Call, 'idempotencyKey' | 'repeats'>,
): Promise<CompositionResult> {
  const { idempotencyKey } = call
  const startedAt = performance.now()
  const results: StageResult[] = []
  let failure: Failure | undefined
  let repeated = plan.stages.length > 0
  for (const [at, stage] of plan.stages.entries()) {
    const outcome = await runStage(
      {
        stage,
        archetype: plan.archetype,
        previous: previousOf(results),
        idempotencyKey: idempotencyKey === undefined ? undefined : stageKey(idempotencyKey, at),
        inner: at > 0,
      },
      call,
    )
    if (outcome.kind === 'job')
      throw new TypeError(`Cannot wait for ${stage.path}: its contract promised no job`)
    results.push(outcome.result)
    failure ??= outcome.failure
    repeated &&= outcome.repeated === true
    if (isOver(plan, results)) break
  }
  const durationMs = performance.now() - startedAt
  const composed = resultOf(plan.expression, results, input, durationMs)
  if (failure !== undefined) throw compositionFailure(failure, composed)
  if (repeated) call.repeats()
  return composed
}

/** The key of one stage, however long that of its composition is; no other request has it by chance. */
function stageKey(key: string, at: number): string {
  return uuidv5(JSON.stringify([key, at]), STAGE_KEYS)
}

/** In whose name a stage is dispatched, and by what. */
type Dispatching = Dispatcher & Pick<Call, 'dispatch'>

/** Dispatches one stage. What the stage fails with is its outcome; that it could not be reached is, too. */
export async function runStage(call: StageCall, by: Dispatching): Promise<StageOutcome> {
  const { stage, archetype, previous, idempotencyKey, parent, inner } = call
  const startedAt = performance.now()
  const input =
    stage.takesInput && previous !== undefined
      ? { ...stage.arguments, input: previous.result }
      : stage.arguments
  const answer = await by
    .dispatch(
      { function: stage.function, path: stage.path, input, archetype, idempotencyKey, parent, inner },
      by,
    )
    .catch((error: unknown) => {
      if (error instanceof Failure) return error
      throw error
    })
  const durationMs = performance.now() - startedAt
  const failure = answer instanceof Failure ? answer : failureOf(answer)
  if (failure !== undefined)
    return { kind: 'ended', result: failedStage(stage, failure, durationMs), failure }
  const { status, body, repeated = false } = answer as DispatchAnswer
  if (status === 202) return { kind: 'job', job: (body as { job: { id: string } }).job.id }
  const { result, meta, job } = body as StageAnswer
  const ended = endedStage(stage, result, meta.charges, durationMs)
  return { kind: 'ended', result: job === undefined ? ended : { ...ended, job: job.id }, repeated }
}

/** An envelope; with a job where the stage was one, and has ended before it was dispatched again. */
interface StageAnswer {
  result: unknown
  meta: { charges: Record<string, number> }
  job?: { id: string }
}

function failureOf({ status, body }: DispatchAnswer): Failure | undefined {
  return status >= 400 ? failureFrom(body) : undefined
}

export function endedStage(
  { path }: Stage,
  result: unknown,
  charges: Record<string, number>,
  durationMs: number,
): StageResult {
  return { path, aspect: verbOf(path), success: true, result, charges, duration_ms: durationMs }
}

export function failedStage(
  { path }: Stage,
  error: { code: string; message: string },
  durationMs: number,
): StageResult {
  const { code, message } = error
  return {
    path,
    aspect: verbOf(path),
    success: false,
    error: { code, message },
    charges: {},
    duration_ms: durationMs,
  }
}

function verbOf(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1)
}

/** What the next stage gets: nothing before the first, null after one that failed. */
export function previousOf(results: readonly StageResult[]): { result: unknown } | undefined {
  const last = results.at(-1)
  return last === undefined ? undefined : { result: last.result ?? null }
}

/** Whether no further stage runs: all have, or one failed and nothing is to be collected. */
export function isOver(
  { stages, mode }: { stages: readonly Stage[]; mode: CompositionMode },
  results: readonly StageResult[],
): boolean {
  return results.length === stages.length || (mode === 'fail-fast' && results.some(({ success }) => !success))
}

/** The whole of a composition; `input` is what one without stages returns. */
export function resultOf(
  expression: string,
  stages: StageResult[],
  input: unknown,
  durationMs: number,
): CompositionResult {
  const failedAt = stages.findIndex(({ success }) => !success)
  return {
    expression,
    stages,
    final_result: failedAt !== -1 ? null : stages.length === 0 ? (input ?? null) : stages.at(-1)?.result,
    success: failedAt === -1,
    failed_at: failedAt,
    charges: sumOf(stages.map(({ charges }) => charges)),
    total_duration_ms: durationMs,
  }
}

function sumOf(all: readonly Amounts[]): Amounts {
  const total: Amounts = {}
  for (const charges of all) addTo(total, charges)
  return total
}

/** The failure of a composition: that of the first stage that failed, with everything that was done before. */
function compositionFailure(cause: Failure, composed: CompositionResult): Failure {
  const { failed_at: at } = composed
  return new Failure(cause.code, `Stage ${at + 1}, ${composed.stages[at]?.path}: ${cause.message}`, {
    ...cause.facts,
    details: { ...cause.facts.details, composition: composed },
  })
}
