/**
 * A composition whose stages may use a model: a job that goes on by event, one stage at a time. What is done is in the
 * database, and a stage is dispatched under a key that names it, so any process may die at any time: the event comes
 * again, the stage answers what it has answered before, and the composition goes on.
 */
import { z } from 'zod'
import type { FinishedJob } from '../../../shared/contract/answers.ts'
import { Accepted, type Call, type Given } from '../../../shared/contract/call.ts'
import { trigger, tick } from '../../../shared/contract/define-operation.ts'
import type { FailureCode } from '../../../shared/failures.ts'
import { periodOf } from '../../../shared/plans/allowance.ts'
import { answerOfJob, type JobState } from '../../../shared/jobs/job-answer.ts'
import { claimKey, keepJob, keyedRequest } from '../../../shared/pipeline/idempotency.ts'
import { JobCall } from '../../../shared/calls/job-call.ts'
import type { FinishReason } from '../../../shared/inference/messages.ts'
import { newId } from '../../../shared/new-id.ts'
import { formatTraceparent, readTraceparent } from '../../../shared/telemetry/trace.ts'
import {
  endedStage,
  failedStage,
  isOver,
  previousOf,
  resultOf,
  runStage,
  type StageResult,
} from './composition.ts'
import type { CompositionMode, Plan, Stage } from './composition-plan.ts'

/** Attempts at a stage whose function cannot be reached. */
const MAX_ATTEMPTS = 6
const CONTINUE = 'io.kgents.composition.continue'

interface CompositionRow {
  id: string
  expression: string
  stages: Stage[]
  mode: CompositionMode
  results: StageResult[]
  position: number
  attempts: number
  stage_job: string | null
  stage_started_at: Date
  created_at: Date
  status: string
  call: unknown
}

/**
 * Begins a composition as a job; a repetition under the same key is answered with the job that it began before, as that
 * is now.
 *
 * @throws Failure IDEMPOTENCY_MISMATCH where the key stands for another request; what the job has failed with for good
 */
export async function beginComposition(
  plan: Plan,
  input: unknown,
  call: Given<'postgres' | 'events', 'caller'>,
): Promise<Accepted | FinishedJob> {
  const { identity, idempotencyKey, trace } = call
  const jobCall: JobCall = {
    identity,
    endpoint: 'logos.compose',
    archetype: plan.archetype ?? '',
    input,
    traceparent: formatTraceparent(trace),
    startedAt: Date.now(),
    reservedTokens: 0,
    period: periodOf(new Date()),
  }
  const { expression, mode, stages } = plan
  const request =
    idempotencyKey === undefined
      ? undefined
      : keyedRequest(identity, idempotencyKey, jobCall.endpoint, [
          expression,
          mode,
          stages,
          jobCall.archetype,
        ])
  return call.transact('write', async ({ db, emit }) => {
    const kept = request === undefined ? undefined : await claimKey(request, db)
    if (kept?.job != null) return begunBefore(kept.job, call)
    const id = newId()
    await db`
      insert into jobs (id, tenant_id, user_id, function, path, call, status, started_at)
      values (${id}, ${identity.tenant}, ${identity.user}, 'logos', ${expression}, ${db.json(jobCall)}, 'running', now())`
    await db`
      insert into compositions (id, tenant_id, expression, stages, mode)
      values (${id}, ${identity.tenant}, ${expression}, ${db.json(stages)}, ${mode})`
    if (request !== undefined) keepJob(request, db, id)
    emit(CONTINUE, { composition: id })
    return new Accepted(id, 'running')
  })
}

function begunBefore(job: JobState, call: Pick<Call, 'repeats'>): Accepted | FinishedJob {
  call.repeats()
  const { status, body } = answerOfJob(job)
  return status === 202 ? new Accepted(job.id, job.status) : (body as FinishedJob)
}

export const compositionTriggers = [
  trigger({
    name: 'continue',
    attributes: { type: CONTINUE },
    needs: ['postgres', 'events', 'jobs', 'functions'],
    data: z.object({ composition: z.uuid() }),
    transaction: false,
    handle: ({ composition }, call) => continueComposition(composition, call),
  }),
  trigger({
    name: 'stage-ended',
    attributes: { type: 'io.kgents.composition.stage-ended' },
    needs: ['postgres', 'events', 'jobs'],
    data: z.object({ composition: z.uuid(), job: z.uuid() }),
    handle: ({ composition, job }, call) => takeStageJob(composition, job, call),
  }),
]

/** Gives the word again to compositions that wait for none: theirs was lost on its way. */
export const compositionTick = tick({
  tenants: 'tenants_with_stalled_compositions',
  needs: ['postgres', 'events'],
  async handle({ db, emit }) {
    const stalled = await db<{ id: string }[]>`select id from stalled_compositions`
    for (const { id } of stalled) emit(CONTINUE, { composition: id })
  },
})

type Continuing = Given<'postgres' | 'events' | 'jobs' | 'functions', 'caller'>

/** Dispatches the stage that is next, unless its job is under way. */
async function continueComposition(id: string, call: Continuing): Promise<void> {
  const state = await call.transact('read', (inner) => load(id, inner))
  if (state === undefined || state.status !== 'running') return
  const { position, stage_job: job } = state
  if (job !== null) return call.transact('write', (inner) => takeStageJob(id, job, inner))
  const stage = state.stages[position]
  if (stage === undefined) return
  const { identity, archetype, traceparent } = JobCall.parse(state.call)
  const outcome = await runStage(
    {
      stage,
      archetype: archetype === '' ? undefined : archetype,
      previous: previousOf(state.results),
      idempotencyKey: `${id}:${position}`,
      parent: id,
      inner: position > 0,
    },
    { identity, trace: readTraceparent(traceparent), signal: call.signal, dispatch: call.dispatch },
  )
  if (outcome.kind === 'job') {
    await call.transact('write', (inner) => followStage(id, position, outcome.job, inner))
    return
  }
  const { result, failure } = outcome
  if (failure?.retry === true && state.attempts + 1 < MAX_ATTEMPTS) {
    await call.transact(
      'write',
      ({ db }) => db`update compositions set attempts = attempts + 1 where id = ${id}`,
    )
    throw failure
  }
  await call.transact('write', (inner) => advance(id, position, result, inner))
}

/**
 * Notes the job that the stage at `position` is, so that its end is waited for. The job may have ended before anybody
 * could wait, and the composition may have been cancelled: then nobody wants the job any more.
 */
async function followStage(
  id: string,
  position: number,
  job: string,
  call: Pick<Call, 'db' | 'emit' | 'endJob'>,
): Promise<void> {
  const state = await load(id, call, 'lock')
  if (state === undefined || state.position !== position) return
  if (state.status !== 'running') {
    await call.endJob({ job, how: 'cancelled' })
    return
  }
  await call.db`update compositions set stage_job = ${job} where id = ${id}`
  await takeStageJob(id, job, call)
}

/** Takes the end of the job that the present stage is; of any other job, it is no concern. */
async function takeStageJob(
  id: string,
  job: string,
  call: Pick<Call, 'db' | 'emit' | 'endJob'>,
): Promise<void> {
  const state = await load(id, call, 'lock')
  if (state?.stage_job !== job) return
  const { position, stages } = state
  const stage = stages[position]
  const [row] = await call.db<StageJobRow[]>`
    select status, result, error, charges, finish_reason, finished_at from jobs where id = ${job}`
  if (stage === undefined || row === undefined || row.status === 'queued' || row.status === 'running') return
  const durationMs = (row.finished_at?.getTime() ?? Date.now()) - state.stage_started_at.getTime()
  const ended =
    row.status === 'completed'
      ? endedStage(stage, row.result, row.charges ?? {}, durationMs)
      : failedStage(stage, row.error ?? { code: 'CANCELLED', message: 'The job was cancelled' }, durationMs)
  const reason = row.finish_reason === null ? {} : { finish_reason: row.finish_reason }
  await advance(id, position, { ...ended, ...reason, job }, call)
}

interface StageJobRow {
  status: string
  result: unknown
  error: { code: string; message: string } | null
  charges: Record<string, number> | null
  finish_reason: FinishReason | null
  finished_at: Date | null
}

/** Notes the result of the stage at `position`, once, and goes on or ends. */
async function advance(
  id: string,
  position: number,
  result: StageResult,
  call: Pick<Call, 'db' | 'emit' | 'endJob'>,
): Promise<void> {
  const state = await load(id, call, 'lock')
  if (state === undefined || state.position !== position || state.status !== 'running') return
  const { db } = call
  const results = [...state.results, result]
  await db`
    update compositions set results = ${db.json(results)}, position = ${position + 1}, stage_job = null,
      attempts = 0, stage_started_at = now()
    where id = ${id}`
  if (isOver(state, results)) await end(state, results, call)
  else call.emit(CONTINUE, { composition: id })
}

async function end(state: CompositionRow, results: StageResult[], call: Pick<Call, 'endJob'>): Promise<void> {
  const composed = resultOf(state.expression, results, undefined, Date.now() - state.created_at.getTime())
  const failed = composed.stages[composed.failed_at]
  if (failed?.error === undefined) {
    await call.endJob({ job: state.id, how: 'composed', result: composed, charges: composed.charges })
    return
  }
  const reason = `Stage ${composed.failed_at + 1}, ${failed.path}: ${failed.error.message}`
  const code = failed.error.code as FailureCode
  await call.endJob({ job: state.id, how: 'failed', reason, code, result: composed })
}

/** A composition; locked, its job is so too, and nobody cancels it meanwhile. */
async function load(
  id: string,
  { db }: Pick<Call, 'db'>,
  lock?: 'lock',
): Promise<CompositionRow | undefined> {
  const [row] = await db<CompositionRow[]>`
    select c.*, j.status, j.call from compositions c join jobs j on j.id = c.id where c.id = ${id}
    ${lock === undefined ? db`` : db`for update`}`
  return row
}
