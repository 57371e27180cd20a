/** What is written about a job that has ended: its row, the charge, the mark and the events, in one transaction. */
import type { Pending } from '../calls/call-parts.ts'
import { JobCall } from '../calls/job-call.ts'
import {
  chargedFor,
  chargeRow,
  markOf,
  settledCharges,
  toOutbox,
  writeRecords,
  type CallOutcome,
  type ChargedFor,
  type Records,
} from '../calls/record.ts'
import type { Runtime } from '../calls/runtime.ts'
import type { JobStatus } from '../contract/job-end.ts'
import type { Db } from '../database/database.ts'
import { createEvent } from '../events/event.ts'
import type { JobEnded } from '../inference/job-events.ts'
import type { FinishReason, TokenUsage } from '../inference/messages.ts'
import { costUsd } from '../models/catalogue.ts'
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
  /** Whether a worker may have begun with it. */
  taken: boolean
  /** Whether it is not charged yet, nor is what it reserved refunded. */
  unsettled: boolean
}

export interface JobContext {
  runtime: Runtime
  db: Db
  signal: AbortSignal
}

/** What is written about an ended job. */
export type Ending =
  | {
      status: 'completed'
      text: string
      tokens: TokenUsage
      finishReason?: FinishReason | undefined
      server?: string | undefined
      model?: string | undefined
      /** How long a worker was at it. */
      durationSeconds?: number | undefined
      /** How long its engine computed for this answer alone, where it knows. */
      computeSeconds?: number | undefined
      result: unknown
      pending: Pending
    }
  | { status: 'failed'; code: string; message: string; refusal: boolean; result?: unknown }
  /** Without `tokens` a worker has yet to report what it generated, and the job is settled then. */
  | { status: 'cancelled'; tokens?: TokenUsage }

/**
 * Ends a job. One that failed costs nothing: all that was reserved goes back. One that was cancelled costs what had been
 * generated, like an answer that ended there.
 */
export async function writeEnding(context: JobContext, job: JobRow, whole: Ending): Promise<JobStatus> {
  const { db } = context
  const ending = job.forgotten ? withoutQuotes(whole) : whole
  const call = JobCall.parse(job.call)
  const completed = ending.status === 'completed' ? ending : undefined
  const charges = chargesOf(call, ending)
  const error = ending.status === 'failed' ? { code: ending.code, message: ending.message } : undefined
  await db`
    update jobs set status = ${ending.status}, finished_at = now(), charges = ${charges === undefined ? null : db.json(charges)},
      result = ${resultTextOf(ending)}::text::json, text = ${completed === undefined || completed.text === '' ? null : completed.text}, tokens = ${tokensOf(db, ending)},
      finish_reason = ${completed?.finishReason ?? null}, server = ${completed?.server ?? null},
      model_seconds = ${completed?.durationSeconds ?? null}, cost_usd = ${costOf(call, ending) ?? null},
      error = ${error === undefined ? null : db.json(error)},
      message = case when ${charges === undefined} then message end
    where id = ${job.id}`
  if (job.forgotten) await eraseInput(job, db)
  if (completed !== undefined) await writeJobs(db, completed.pending)
  const events = [...(completed?.pending.events ?? []), ...closingEvents(context.runtime, job, call, ending)]
  const changes = completed?.pending.changes ?? []
  if (call.aspect === undefined || charges === undefined)
    writeRecords(db, { marks: [], events, charges: [], changes })
  else await settle(context, { job, call, aspect: call.aspect, ending, charges }, { events, changes })
  return ending.status
}

function withoutQuotes(ending: Ending): Ending {
  if (ending.status === 'completed') return { ...ending, text: '', result: undefined }
  return ending.status === 'failed' ? { ...ending, result: undefined } : ending
}

/** Deletes what the job was given, and where it is a composition, what its stages came to. */
async function eraseInput({ id }: JobRow, db: Db): Promise<void> {
  // Whoever ends the wait for a cancelled job reads the rest of its message.
  await db`
    update jobs set call = jsonb_set(call, '{input}', 'null'),
      message = jsonb_set(message::jsonb, '{request}', '{"texts": ["-"]}')::text
    where id = ${id}`
  await db`update compositions set stages = '[]', results = '[]' where id = ${id}`
}

/** Settles a job that was cancelled before it was known what had been generated; its followers have had the end. */
export async function settleCancelled(context: JobContext, job: JobRow, tokens: TokenUsage): Promise<void> {
  const { db } = context
  const call = JobCall.parse(job.call)
  const ending: Ending = { status: 'cancelled', tokens }
  const charges = chargesOf(call, ending) ?? {}
  await db`
    update jobs set charges = ${db.json(charges)}, tokens = ${tokensOf(db, ending)}, message = null,
      cost_usd = ${costOf(call, ending) ?? null}
    where id = ${job.id}`
  if (call.aspect === undefined) return
  await settle(context, { job, call, aspect: call.aspect, ending, charges }, { events: [], changes: [] })
}

/** An ended job whose costs are known. */
interface Settlement {
  job: JobRow
  call: JobCall
  aspect: CallOutcome['aspect']
  ending: Ending
  charges: Record<string, number>
}

/**
 * Writes what was used up instead of what was reserved, the mark, and the records that go with them. What was done in steps leaves
 * a mark alone.
 */
async function settle(
  { db, runtime }: JobContext,
  settlement: Settlement,
  { events, changes }: Pick<Records, 'events' | 'changes'>,
): Promise<void> {
  const { call, charges } = settlement
  if (call.inSteps === true) {
    const { mark, event } = markOf(callOutcomeOf({ ...settlement, charges: {} }), runtime.eventKey)
    writeRecords(db, { marks: [mark], events: [...events, event], charges: [], changes })
    return
  }
  await settleTokens(db, call.reservedTokens, charges['tokens'] ?? 0, call.period)
  const { mark, event } = markOf(callOutcomeOf(settlement), runtime.eventKey)
  writeRecords(db, { marks: [mark], events: [...events, event], charges: ledgerOf(settlement), changes })
}

function resultTextOf(ending: Ending): string | null {
  if (ending.status === 'cancelled' || ending.result === undefined) return null
  return JSON.stringify(ending.result)
}

function tokensOf(db: Db, ending: Ending) {
  return ending.status === 'failed' || ending.tokens === undefined ? null : db.json({ ...ending.tokens })
}

/** What its tokens cost by the catalogue, in US dollars; undefined where that is not known. */
function costOf({ model }: JobCall, ending: Ending): number | undefined {
  if (model === undefined || ending.status === 'failed' || ending.tokens === undefined) return undefined
  return costUsd(model, ending.tokens)
}

/**
 * What a job has used up; undefined while that is not known. What is done in steps, as a composition is by its stages, adds up
 * what they were charged, and is charged nothing itself.
 */
function chargesOf(call: JobCall, ending: Ending): Record<string, number> | undefined {
  if (ending.status === 'failed') return {}
  if (ending.tokens === undefined) return undefined
  const tokens = ending.tokens.prompt + ending.tokens.completion
  if (ending.status === 'cancelled') return tokens === 0 ? {} : { tokens }
  const isSum = call.aspect === undefined || call.inSteps === true
  return isSum ? ending.pending.charges : { ...ending.pending.charges, tokens }
}

function ledgerOf({ job, call, ending, charges }: Settlement): Records['charges'] {
  const { tenant_id: tenant, id: reservation, path } = job
  if (ending.status === 'completed' || charges['tokens'] !== undefined)
    return settledCharges(tenant, reservation, path, charges, usedBy(call, ending))
  const amount = call.reservedTokens
  const entry = { tenant, reservation, path, kind: 'refunded', resource: 'tokens', amount } as const
  return [chargeRow(entry, chargedFor(call.identity))]
}

/** Whose tokens they were, and which model made them. */
function usedBy(call: JobCall, ending: Ending): ChargedFor {
  if (ending.status === 'failed') return chargedFor(call.identity)
  return { ...chargedFor(call.identity), tokens: ending.tokens, model: modelOf(ending) }
}

/** Undefined also where no model answered, and the call went on without. */
function modelOf(ending: Ending): string | undefined {
  return ending.status === 'completed' && ending.model !== '' ? ending.model : undefined
}

/** The last thing that followers see; and where the job was a stage, the word to its composition. */
function closingEvents({ eventKey }: Runtime, job: JobRow, call: JobCall, ending: Ending) {
  const common = {
    source: `/functions/${job.function}`,
    tenant: job.tenant_id,
    subject: job.id,
    traceparent: call.traceparent,
  }
  const data = endingOf(job, ending, chargesOf(call, ending) ?? {}, costOf(call, ending))
  const closing = createEvent({ ...common, type: `io.kgents.job.${ending.status}`, data }, eventKey)
  const own = whenEnded(eventKey, job, call)
  if (call.parent === undefined) return [toOutbox(closing, job.id), ...own]
  const stage = { composition: call.parent, job: job.id }
  const stageEnded = createEvent({ ...common, type: STAGE_ENDED, data: stage }, eventKey)
  return [toOutbox(closing, job.id), ...own, toOutbox(stageEnded)]
}

/** What the requester wants to know the end by. */
function whenEnded(eventKey: string, job: JobRow, { whenEnded: event, traceparent }: JobCall) {
  if (event === undefined) return []
  const from = { source: `/functions/${job.function}`, tenant: job.tenant_id, function: job.function }
  return [toOutbox(createEvent({ ...from, subject: job.id, traceparent, ...event }, eventKey))]
}

/** Notifies a composition that a stage of it, which was a job, has ended. */
const STAGE_ENDED = 'io.kgents.composition.stage-ended'

function endingOf(
  { id: job, path }: JobRow,
  ending: Ending,
  charges: Record<string, number>,
  cost_usd: number | undefined,
): JobEnded {
  if (ending.status === 'cancelled') return { job, path, status: ending.status }
  if (ending.status === 'failed') {
    return { job, path, status: ending.status, error: { code: ending.code, message: ending.message } }
  }
  const { status, text, tokens, finishReason: finish_reason, server, result } = ending
  return { job, path, status, text, tokens, finish_reason, server, cost_usd, result, charges }
}

function callOutcomeOf({ job, call, aspect, ending, charges }: Settlement): CallOutcome {
  return {
    id: job.id,
    aspect,
    function: job.function,
    tenant: job.tenant_id,
    tier: call.identity.tier,
    user: call.identity.user,
    key: call.identity.key?.id,
    model: modelOf(ending),
    gpuSeconds: ending.status === 'completed' ? (ending.computeSeconds ?? ending.durationSeconds) : undefined,
    inner: call.inner,
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
