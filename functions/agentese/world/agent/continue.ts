/**
 * What drives runs: events, and a tick for those whose event was lost. What is done is in the database, and each tool is called
 * under a key that names the step, so any process may die at any time: the event comes again, finds what has been done, and the run
 * goes on. While a run waits for a model, a tool or a person, nothing runs for it.
 */
import { z } from 'zod'
import { JobCall } from '../../../../shared/calls/job-call.ts'
import type { Given } from '../../../../shared/contract/call.ts'
import { tick, trigger } from '../../../../shared/contract/define-operation.ts'
import { CREDENTIALS_REVOKED, CredentialsRevoked } from '../../../../shared/events/credentials.ts'
import type { Failure } from '../../../../shared/failures.ts'
import { readTraceparent } from '../../../../shared/telemetry/trace.ts'
import { takeDecision, callsOf, withdrawQuestion } from './approval.ts'
import { callNextTool, takeToolJob } from './call-tool.ts'
import { dispatchAs, type Continuing, type GoingOn } from './dispatch-as.ts'
import { CONTINUE, failRun, loadRun, type RunRow } from './runs.ts'
import { withAgentSpan } from '../../../../shared/telemetry/genai-spans.ts'

const NEEDS = ['postgres', 'events', 'jobs', 'functions', 'catalog'] as const
const Token = z.looseObject({ token_id: z.string() })

const semaphoreEnded = (how: 'resolved' | 'cancelled' | 'voided') =>
  trigger({
    name: `semaphore-${how}`,
    attributes: { type: `io.kgents.semaphore.${how}` },
    needs: ['postgres', 'events'],
    data: Token,
    async handle({ token_id }, { db, emit }) {
      const waiting = await db<{ id: string }[]>`
        select id from agent_runs where semaphore_id = ${token_id} and state = 'human'`
      for (const { id } of waiting) emit(CONTINUE, { run: id })
    },
  })

export const runTriggers = [
  trigger({
    name: 'continue',
    attributes: { type: CONTINUE },
    needs: NEEDS,
    data: z.object({ run: z.uuid() }),
    transaction: false,
    handle: ({ run }, call) => continueRun(run, call),
  }),
  trigger({
    name: 'job-ended',
    attributes: { type: 'io.kgents.composition.stage-ended' },
    needs: ['postgres', 'events', 'jobs'],
    data: z.object({ composition: z.uuid(), job: z.uuid() }),
    handle: ({ composition, job }, call) => takeJob(composition, job, call),
  }),
  trigger({
    name: 'run-cancelled',
    attributes: { type: 'io.kgents.job.cancelled', source: '/functions/world-agent' },
    needs: ['postgres', 'events', 'jobs'],
    data: z.looseObject({ job: z.uuid() }),
    async handle({ job }, call) {
      const run = await loadRun(call.db, job)
      if (run !== undefined) await stopWork(run, call)
    },
  }),
  trigger({
    name: 'key-revoked',
    attributes: { type: CREDENTIALS_REVOKED },
    needs: ['postgres', 'events', 'jobs'],
    data: CredentialsRevoked,
    handle: (revoked, call) => stopRunsOf(revoked, call),
  }),
  semaphoreEnded('resolved'),
  semaphoreEnded('cancelled'),
  semaphoreEnded('voided'),
]

/** Goes on with runs that wait for nothing: their event was lost on its way, or a deadline has passed. */
export const runTick = tick({
  tenants: 'tenants_with_stalled_agent_runs',
  needs: ['postgres', 'events'],
  async handle({ db, emit }) {
    const stalled = await db<{ id: string }[]>`select id from stalled_agent_runs`
    for (const { id } of stalled) emit(CONTINUE, { run: id })
  },
})

async function continueRun(id: string, call: Continuing): Promise<void> {
  const run = await call.transact('read', ({ db }) => loadRun(db, id))
  if (run === undefined) return
  const parent = readTraceparent(JobCall.parse(run.call).traceparent)
  const { name, model } = run
  await withAgentSpan({ name, model: model ?? undefined, conversation: id }, parent, (trace) =>
    goOn(run, { call, trace }),
  )
}

async function goOn(run: RunRow, by: GoingOn): Promise<void> {
  const { call } = by
  const { id, status, waiting_job: job } = run
  if (status !== 'running') return call.transact('write', (inner) => stopWork(run, inner))
  if (run.forgotten) return call.transact('write', (inner) => cancelForgotten(id, inner))
  if (job !== null) return call.transact('write', (inner) => takeJob(id, job, inner))
  if (run.state === 'human') return call.transact('write', (inner) => decide(id, inner))
  if (run.state === 'tools') return callNextTool(run, by)
  const outcome = await dispatchAs(run, { path: 'world.agent.step', input: { run: id } }, by, mayPass)
  if (outcome === 'later' || !('failure' in outcome)) return
  await call.transact('write', async (inner) => {
    const now = await loadRun(inner.db, id, 'lock')
    if (now?.status === 'running' && now.position === run.position && now.waiting_job === null)
      await failRun(now, outcome.failure, inner)
  })
}

/** A limit that is reached stays so for longer than events are delivered again. */
function mayPass({ retry, category }: Failure): boolean {
  return retry && category !== 'QUOTA_EXCEEDED'
}

type Writing = Given<'postgres' | 'events' | 'jobs'>

async function decide(id: string, call: Writing): Promise<void> {
  const run = await loadRun(call.db, id, 'lock')
  if (run?.status !== 'running' || run.state !== 'human') return
  const wanted = (await callsOf(run, call))[run.next_call]
  if (wanted !== undefined) await takeDecision(run, wanted, call)
}

/** What quotes something that was forgotten ends, as its job would. */
async function cancelForgotten(id: string, call: Writing): Promise<void> {
  await call.endJob({ job: id, how: 'cancelled' })
}

/** Ends what was begun with an API key that was revoked: a run may go on for days, and whoever had the key must not. */
async function stopRunsOf(
  { key, for_good }: z.infer<typeof CredentialsRevoked>,
  call: Writing,
): Promise<void> {
  if (key === undefined || for_good !== true) return
  const begun = await call.db<{ id: string }[]>`
    select r.id from agent_runs r join jobs j on j.id = r.id
    where j.status = 'running' and j.call #>> '{identity,key,id}' = ${key} order by r.id`
  for (const { id } of begun) await call.endJob({ job: id, how: 'cancelled' })
}

/** Ends what a run was waiting for that has itself ended. */
async function stopWork(run: RunRow, call: Writing): Promise<void> {
  if (run.waiting_job !== null) await call.endJob({ job: run.waiting_job, how: 'cancelled' })
  await withdrawQuestion(run, call)
}

/** Takes the end of the job that a run waits for; of any other job, it is no concern. */
async function takeJob(id: string, job: string, call: Writing): Promise<void> {
  const run = await loadRun(call.db, id, 'lock')
  if (run?.waiting_job !== job || run.status !== 'running') return
  if (run.state === 'tools') return takeToolJob(run, job, call)
  const [row] = await call.db<{ status: string; error: { code: string; message: string } | null }[]>`
    select status, error from jobs where id = ${job}`
  if (row?.status === 'cancelled') await call.endJob({ job: id, how: 'cancelled' })
  // One that has completed has moved the run on itself.
  if (row?.status === 'failed')
    await failRun(run, row.error ?? { code: 'INFERENCE_FAILED', message: 'The model gave no answer' }, call)
}
