/** Calling the tools that a model wants, one after the other. Whatever comes of a call is an answer for the model. */
import type { Call } from '../../../../shared/contract/call.ts'
import { Failure, failureFrom } from '../../../../shared/failures.ts'
import type { ToolCall } from '../../../../shared/inference/messages.ts'
import { addAnswer, askPerson, callsOf, needsApproval, type ToolAnswer } from './approval.ts'
import { dispatchAs, type GoingOn } from './dispatch-as.ts'
import { failRun, loadRun, type RunRow } from './runs.ts'
import { withToolSpan } from '../../../../shared/telemetry/genai-spans.ts'
import { answerText, failureText, wantedOf, type WantedCall } from './tools.ts'

/** Makes the tool call that is next. */
export async function callNextTool(run: RunRow, by: GoingOn): Promise<void> {
  const { call } = by
  const next = (await call.transact('read', (inner) => callsOf(run, inner)))[run.next_call]
  if (next === undefined) return
  const wanted = wantedOf(next, run.tools)
  if ('problem' in wanted) return writeAnswer(run, next, { text: wanted.problem, failed: true }, by)
  if (needsApproval(run, wanted.tool)) return ask(run, next, by)
  const { id } = next
  await withToolSpan({ name: wanted.tool, id, conversation: run.id }, by.trace, (trace) =>
    callTool(run, { next, wanted }, { call, trace }),
  )
}

async function callTool(
  run: RunRow,
  { next, wanted: { path, input } }: { next: ToolCall; wanted: WantedCall },
  by: GoingOn,
): Promise<void> {
  const startedAt = performance.now()
  // Names the step: however often this comes, the tool is called once.
  const idempotencyKey = `agent:${run.id}:${run.turn}:${run.next_call}`
  const outcome = await dispatchAs(run, { path, input, idempotencyKey }, by, isUnreachable)
  if (outcome === 'later') return
  const durationMs = performance.now() - startedAt
  if ('failure' in outcome)
    return writeAnswer(run, next, { text: failureText(outcome.failure), failed: true, durationMs }, by)
  const { status, body } = outcome.answer
  if (status === 202) return followJob(run, (body as { job: { id: string } }).job.id, by)
  const { result, meta, job } = body as Envelope
  const tokens = Math.ceil(meta.charges['tokens'] ?? 0)
  const ofJob = job === undefined ? {} : { job: job.id }
  await writeAnswer(
    run,
    next,
    { text: answerText(path, result), failed: false, tokens, durationMs, ...ofJob },
    by,
  )
}

/** What a path answers; with its job where that had ended before the call was repeated. */
interface Envelope {
  result: unknown
  meta: { charges: Record<string, number> }
  job?: { id: string }
}

/** A failed call that reached nothing is made again; whatever else a tool fails with is for the model to know. */
function isUnreachable({ code }: Failure): boolean {
  return code === 'DEPENDENCY_UNAVAILABLE'
}

/** The run as it was when the call was made, and locked; undefined where somebody else went on with it, or it has ended. */
async function lockSame(run: RunRow, { db }: Pick<Call, 'db'>): Promise<RunRow | undefined> {
  const now = await loadRun(db, run.id, 'lock')
  const isSame = now?.state === 'tools' && now.turn === run.turn && now.next_call === run.next_call
  return isSame && now.status === 'running' && now.waiting_job === null ? now : undefined
}

async function writeAnswer(
  run: RunRow,
  next: ToolCall,
  answer: ToolAnswer,
  { call }: GoingOn,
): Promise<void> {
  await call.transact('write', async (inner) => {
    const now = await lockSame(run, inner)
    if (now !== undefined) await addAnswer(now, next, answer, inner)
  })
}

/** Opens a question once. Where too many wait already, the run fails. */
async function ask(run: RunRow, next: ToolCall, { call }: GoingOn): Promise<void> {
  const asked = call.transact('write', async (inner) => {
    const now = await lockSame(run, inner)
    if (now?.semaphore_id === null) await askPerson(now, next, inner)
  })
  await asked.catch(async (error: unknown) => {
    if (!(error instanceof Failure) || error.code !== 'QUOTA_EXCEEDED') throw error
    await call.transact('write', async (inner) => {
      const now = await lockSame(run, inner)
      if (now !== undefined) await failRun(now, error, inner)
    })
  })
}

/**
 * Notes the job that a tool has turned out to be, so that its end is waited for. It may have ended before anybody could wait, and
 * the run may have been cancelled: then nobody wants the job any more.
 */
async function followJob(run: RunRow, job: string, { call }: GoingOn): Promise<void> {
  await call.transact('write', async (inner) => {
    const now = await loadRun(inner.db, run.id, 'lock')
    if (now?.status !== 'running') {
      await inner.endJob({ job, how: 'cancelled' })
      return
    }
    if (now.state !== 'tools' || now.turn !== run.turn || now.next_call !== run.next_call) return
    await inner.db`update agent_runs set waiting_job = ${job}, moved_at = now() where id = ${run.id}`
    await takeToolJob({ ...now, waiting_job: job }, job, inner)
  })
}

interface ToolJobRow {
  status: string
  path: string
  result: unknown
  error: { code: string; message: string } | null
  charges: Record<string, number> | null
  seconds: number
}

/** Takes the end of the job that the next tool call of a run is, which is locked. */
export async function takeToolJob(
  run: RunRow,
  job: string,
  call: Pick<Call, 'db' | 'identity' | 'emit'>,
): Promise<void> {
  const next = (await callsOf(run, call))[run.next_call]
  const [row] = await call.db<ToolJobRow[]>`
    select status, path, result, error, charges,
      coalesce(extract(epoch from finished_at - created_at), 0)::float8 as seconds
    from jobs where id = ${job}`
  if (next === undefined || row === undefined || row.status === 'queued' || row.status === 'running') return
  const isDone = row.status === 'completed'
  const failure = failureFrom(row.error ?? { code: 'CANCELLED', message: 'The job was cancelled' })
  const text = isDone ? answerText(row.path, row.result) : failureText(failure)
  const tokens = Math.ceil(row.charges?.['tokens'] ?? 0)
  await addAnswer(run, next, { text, failed: !isDone, tokens, job, durationMs: row.seconds * 1000 }, call)
}
