/** What is written about a job that has ended: its row, the charge, the mark and the events, in one transaction. */
import type { Pending } from '../calls/call-parts.ts'
import { JobCall } from '../calls/job-call.ts'
import {
  chargeRow,
  markOf,
  settledCharges,
  toOutbox,
  writeRecords,
  type CallOutcome,
  type Records,
} from '../calls/record.ts'
import type { Runtime } from '../calls/runtime.ts'
import type { JobStatus } from '../contract/job-end.ts'
import type { Db } from '../database/database.ts'
import { createEvent } from '../events/event.ts'
import type { JobEnded } from '../inference/job-events.ts'
import type { TokenUsage } from '../inference/messages.ts'
import { settleTokens } from '../plans/allowance.ts'
import { readTraceparent } from '../telemetry/trace.ts'
import { writeJobs } from './queue-job.ts'

export interface JobRow {
  id: string
  tenant_id: string
  function: string
  path: string
  status: JobStatus
  call: unknown
  /** Whether it quotes what was forgotten while it was under way: nothing is kept of what it came to. */
  forgotten: boolean
}

export interface JobContext {
  runtime: Runtime
  db: Db
  signal: AbortSignal
}

/** What is written about an ended job. */
export type Ending =
  | { status: 'completed'; text: string; tokens: TokenUsage; result: unknown; pending: Pending }
  | { status: 'failed'; code: string; message: string; refusal: boolean; result?: unknown }
  | { status: 'cancelled' }

/** A job that ended without a result costs nothing: all that was reserved goes back. */
export async function writeEnding(context: JobContext, job: JobRow, whole: Ending): Promise<JobStatus> {
  const { db } = context
  const ending = job.forgotten ? withoutQuotes(whole) : whole
  const call = JobCall.parse(job.call)
  const completed = ending.status === 'completed' ? ending : undefined
  const charges = chargesOf(call, ending)
  const error = ending.status === 'failed' ? { code: ending.code, message: ending.message } : undefined
  await db`
    update jobs set status = ${ending.status}, finished_at = now(), charges = ${db.json(charges)}, message = null,
      result = ${resultTextOf(ending)}::text::json,
      tokens = ${completed === undefined ? null : db.json({ ...completed.tokens })},
      error = ${error === undefined ? null : db.json(error)}
    where id = ${job.id}`
  if (job.forgotten) await eraseInput(job, db)
  if (completed !== undefined) await writeJobs(db, completed.pending)
  const events = [...(completed?.pending.events ?? []), ...closingEvents(context.runtime, job, call, ending)]
  const changes = completed?.pending.changes ?? []
  if (call.aspect === undefined) {
    writeRecords(db, { marks: [], events, charges: [], changes })
    return ending.status
  }
  await settleTokens(db, call.reservedTokens, charges['tokens'] ?? 0, call.period)
  const { mark, event } = markOf(
    callOutcomeOf(job, call, call.aspect, ending, charges),
    context.runtime.eventKey,
  )
  writeRecords(db, {
    marks: [mark],
    events: [...events, event],
    charges: ledgerOf(job, call, ending, charges),
    changes,
  })
  return ending.status
}

function withoutQuotes(ending: Ending): Ending {
  if (ending.status === 'completed') return { ...ending, text: '', result: undefined }
  return ending.status === 'failed' ? { ...ending, result: undefined } : ending
}

/** Deletes what the job was given, and where it is a composition, what its stages came to. */
async function eraseInput({ id }: JobRow, db: Db): Promise<void> {
  await db`update jobs set call = jsonb_set(call, '{input}', 'null') where id = ${id}`
  await db`update compositions set stages = '[]', results = '[]' where id = ${id}`
}

function resultTextOf(ending: Ending): string | null {
  if (ending.status === 'cancelled' || ending.result === undefined) return null
  return JSON.stringify(ending.result)
}

/** What a job has used up. A composition adds up what its stages were charged, and is charged nothing itself. */
function chargesOf(call: JobCall, ending: Ending): Record<string, number> {
  if (ending.status !== 'completed') return {}
  const { pending, tokens } = ending
  return call.aspect === undefined
    ? pending.charges
    : { ...pending.charges, tokens: tokens.prompt + tokens.completion }
}

function ledgerOf(
  job: JobRow,
  call: JobCall,
  ending: Ending,
  charges: Record<string, number>,
): Records['charges'] {
  const { tenant_id: tenant, id: reservation, path } = job
  if (ending.status === 'completed') return settledCharges(tenant, reservation, path, charges)
  const amount = call.reservedTokens
  return [chargeRow({ tenant, reservation, path, kind: 'refunded', resource: 'tokens', amount })]
}

/** The last thing that followers see; and where the job was a stage, the word to its composition. */
function closingEvents({ eventKey }: Runtime, job: JobRow, call: JobCall, ending: Ending) {
  const common = {
    source: `/functions/${job.function}`,
    tenant: job.tenant_id,
    subject: job.id,
    traceparent: call.traceparent,
  }
  const data = endingOf(job, ending, chargesOf(call, ending))
  const closing = createEvent({ ...common, type: `io.kgents.job.${ending.status}`, data }, eventKey)
  if (call.parent === undefined) return [toOutbox(closing, job.id)]
  const stage = { composition: call.parent, job: job.id }
  const stageEnded = createEvent({ ...common, type: STAGE_ENDED, data: stage }, eventKey)
  return [toOutbox(closing, job.id), toOutbox(stageEnded)]
}

/** Notifies a composition that a stage of it, which was a job, has ended. */
const STAGE_ENDED = 'io.kgents.composition.stage-ended'

function endingOf({ id: job, path }: JobRow, ending: Ending, charges: Record<string, number>): JobEnded {
  if (ending.status === 'cancelled') return { job, path, status: ending.status }
  if (ending.status === 'failed') {
    return { job, path, status: ending.status, error: { code: ending.code, message: ending.message } }
  }
  const { status, text, tokens, result } = ending
  return { job, path, status, text, tokens, result, charges }
}

function callOutcomeOf(
  job: JobRow,
  call: JobCall,
  aspect: CallOutcome['aspect'],
  ending: Ending,
  charges: Record<string, number>,
): CallOutcome {
  return {
    id: job.id,
    aspect,
    function: job.function,
    tenant: job.tenant_id,
    user: call.identity.user,
    archetype: call.archetype,
    ...outcomeOf(ending),
    charges,
    job: job.id,
    traceId: readTraceparent(call.traceparent).traceId,
    traceparent: call.traceparent,
    startedAt: call.startedAt,
    endedAt: Date.now(),
  }
}

function outcomeOf(ending: Ending): Pick<CallOutcome, 'outcome'> & { code?: string } {
  if (ending.status === 'completed') return { outcome: 'success' }
  if (ending.status === 'cancelled') return { outcome: 'failure', code: 'CANCELLED' }
  return { outcome: ending.refusal ? 'refusal' : 'failure', code: ending.code }
}
