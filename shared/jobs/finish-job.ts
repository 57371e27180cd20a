/**
 * The end of a job, however it comes: completed, failed or cancelled. Whoever comes first ends it; whoever comes later
 * finds it ended and changes nothing. With it go the charge, the mark and the events, in one transaction.
 */
import { CATEGORIES } from '../agentese/category.ts'
import type { Observer } from '../agentese/observer.ts'
import type { FunctionDefinition } from '../contract/function.ts'
import { asFailure, type Db } from '../database/database.ts'
import { createEvent } from '../events/event.ts'
import { Failure, Refusal, type Category, type FailureCode } from '../failures.ts'
import { createCall, nothingPending, type Pending } from '../pipeline/create-call.ts'
import {
  chargeRow,
  markOf,
  settledCharges,
  toOutbox,
  writeRecords,
  type Happening,
  type Records,
} from '../pipeline/record.ts'
import type { Runtime } from '../pipeline/runtime.ts'
import { readTraceparent } from '../telemetry/trace.ts'
import { settleTokens } from '../plans/allowance.ts'
import type { JobEnded } from '../inference/job-events.ts'
import type { Completion, TokenUsage } from '../inference/messages.ts'
import { JobCall, prepareJob, writeJobs } from './queue-job.ts'
import { decodeVector } from '../inference/vectors.ts'

export type JobStatus = 'queued' | 'running' | 'completed' | 'failed' | 'cancelled'

interface JobRow {
  id: string
  tenant_id: string
  function: string
  path: string
  status: JobStatus
  call: unknown
}

/** How a job ends, as told by whoever ends it. */
export type JobEnd =
  | { job: string; how: 'completed'; completion: Completion }
  | { job: string; how: 'composed'; result: unknown; charges: Record<string, number> }
  /** `result` is what was done all the same, as by the earlier stages of a composition. */
  | { job: string; how: 'failed'; reason: string; code?: FailureCode; result?: unknown }
  | { job: string; how: 'cancelled' }

interface JobContext {
  runtime: Runtime
  db: Db
  signal: AbortSignal
}

/** What is written about an ended job. */
type Ending =
  | { status: 'completed'; text: string; tokens: TokenUsage; result: unknown; pending: Pending }
  | { status: 'failed'; code: string; message: string; refusal: boolean; result?: unknown }
  | { status: 'cancelled' }

/**
 * Ends a job of this transaction's tenant, unless it has ended already.
 *
 * @returns the status that the job now has; undefined where the tenant has no such job
 */
export async function endJob(context: JobContext, end: JobEnd): Promise<JobStatus | undefined> {
  const { db } = context
  const [job] = await db<JobRow[]>`
    select id, tenant_id, function, path, status, call from jobs where id = ${end.job} for update`
  if (job === undefined || (job.status !== 'queued' && job.status !== 'running')) return job?.status
  if (end.how === 'completed') return complete(context, job, end.completion)
  if (end.how === 'failed' && recovers(context, job)) return complete(context, job, noAnswer(end.reason))
  return writeEnding(context, job, endingOf(end))
}

function endingOf(end: Exclude<JobEnd, { how: 'completed' }>): Ending {
  if (end.how === 'cancelled') return { status: 'cancelled' }
  if (end.how === 'failed') {
    const { code = 'INFERENCE_FAILED', reason: message } = end
    return { status: 'failed', code, message, refusal: false, result: end.result }
  }
  const pending = { ...nothingPending(), charges: end.charges }
  return { status: 'completed', text: '', tokens: NO_TOKENS, result: end.result, pending }
}

const NO_TOKENS: TokenUsage = { prompt: 0, completion: 0 }

/** What a model came to; with `failed`, why it gave no answer. */
type Outcome = Pick<Completion, 'text' | 'tokens' | 'vectors' | 'model'> & { failed?: string }

function noAnswer(failed: string): Outcome {
  return { text: '', tokens: NO_TOKENS, model: '', failed }
}

function recovers({ runtime }: JobContext, job: JobRow): boolean {
  const { endpoint } = JobCall.parse(job.call)
  return runtime.functions.some(({ endpoints }) =>
    endpoints.some(({ name, recover }) => name === endpoint && recover !== undefined),
  )
}

/**
 * Goes on with what the model answered: runs the endpoint's `complete`, or its `recover` where there was no answer; what
 * it throws fails the job. Where the aspect may only look, so may its continuation: whatever it did to the database is
 * rolled back.
 */
async function complete(context: JobContext, job: JobRow, outcome: Outcome): Promise<JobStatus> {
  const { text, tokens } = outcome
  try {
    return await context.db.savepoint(async (db) => {
      const inner = { ...context, db }
      const pending = nothingPending()
      const call = JobCall.parse(job.call)
      const result = await (mayWrite(call) ? continueCall : look)(inner, job, call, outcome, pending)
      return writeEnding(inner, job, { status: 'completed', text, tokens, result, pending })
    })
  } catch (error) {
    const { code, message } = finalFailure(error, job, context.runtime)
    return writeEnding(context, job, { status: 'failed', code, message, refusal: error instanceof Refusal })
  }
}

const LASTING = new Set<Category>(['INTERNAL', 'QUOTA_EXCEEDED'])

function mayWrite({ aspect }: JobCall): boolean {
  return aspect !== undefined && CATEGORIES[aspect.category].writes
}

/** As `continueCall`, in a savepoint that refuses writes; rolling it back ends the refusal. */
const look: typeof continueCall = async (context, ...rest) => {
  const rolledBack = new Error('The look is over')
  let result: unknown
  await context.db
    .savepoint(async (db) => {
      await db`set local transaction_read_only = on`
      result = await continueCall({ ...context, db }, ...rest)
      throw rolledBack
    })
    .catch((error: unknown) => {
      if (error !== rolledBack) throw error
    })
  return result
}

/**
 * What ends the job; what may go well in a moment is thrown on, so that the event is delivered again. A limit that is
 * reached stays so for longer than deliveries go on.
 */
function finalFailure(error: unknown, job: JobRow, { log }: Runtime): Failure {
  const known = asFailure(error)
  if (known instanceof Failure && known.retry && !LASTING.has(known.category)) throw known
  log[known instanceof Failure ? 'info' : 'error']({ err: error, job: job.id }, 'a continuation failed')
  return known instanceof Failure ? known : new Failure('INTERNAL', 'The result could not be made')
}

async function continueCall(
  { runtime, db, signal }: JobContext,
  job: JobRow,
  jobCall: JobCall,
  { text, tokens, vectors = [], model, failed }: Outcome,
  pending: Pending,
): Promise<unknown> {
  const { identity, archetype, input, traceparent } = jobCall
  const { definition, endpoint } = endpointOf(runtime.functions, jobCall.endpoint)
  const trace = readTraceparent(traceparent)
  const parsed = endpoint.input.parse(input)
  const asker = {
    runtime,
    function: definition,
    endpoint,
    path: job.path,
    identity,
    archetype,
    input: parsed,
    trace,
    startedAt: Date.now(),
  }
  const call = createCall({
    ...asker,
    id: job.id,
    observer: { user: identity.user, archetype, capabilities: [] } as Observer,
    db,
    pending,
    mayWrite: mayWrite(jobCall),
    deadline: { signal },
    infer: (inference, as) => prepareJob(inference, as, asker, pending),
  })
  if (failed !== undefined) return endpoint.recover?.({ input: parsed, reason: failed }, call)
  const completed = { input: parsed, text, tokens, model, vectors: vectors.map(decodeVector) }
  return endpoint.complete?.(completed, call)
}

function endpointOf(functions: readonly FunctionDefinition[], name: string) {
  for (const definition of functions) {
    const endpoint = definition.endpoints.find((each) => each.name === name)
    if (endpoint?.complete !== undefined) return { definition, endpoint }
  }
  throw new Failure('NODE_NOT_REGISTERED', `Cannot go on with "${name}": it is not served here`)
}

/** A job that ended without a result costs nothing: all that was reserved goes back. */
async function writeEnding(context: JobContext, job: JobRow, ending: Ending): Promise<JobStatus> {
  const { db } = context
  const call = JobCall.parse(job.call)
  const completed = ending.status === 'completed' ? ending : undefined
  const charges = chargesOf(call, ending)
  const error = ending.status === 'failed' ? { code: ending.code, message: ending.message } : undefined
  await db`
    update jobs set status = ${ending.status}, finished_at = now(), charges = ${db.json(charges)},
      result = ${resultTextOf(ending)}::text::json,
      tokens = ${completed === undefined ? null : db.json({ ...completed.tokens })},
      error = ${error === undefined ? null : db.json(error)}
    where id = ${job.id}`
  if (completed !== undefined) await writeJobs(db, completed.pending)
  const events = [...(completed?.pending.events ?? []), ...closingEvents(context.runtime, job, call, ending)]
  const changes = completed?.pending.changes ?? []
  if (call.aspect === undefined) {
    await writeRecords(db, { marks: [], events, charges: [], changes })
    return ending.status
  }
  await settleTokens(db, call.reservedTokens, charges['tokens'] ?? 0, call.period)
  const { mark, event } = markOf(
    happeningOf(job, call, call.aspect, ending, charges),
    context.runtime.eventKey,
  )
  await writeRecords(db, {
    marks: [mark],
    events: [...events, event],
    charges: ledgerOf(job, call, ending, charges),
    changes,
  })
  return ending.status
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
  const data = tellEnding(job, ending, chargesOf(call, ending))
  const closing = createEvent({ ...common, type: `io.kgents.job.${ending.status}`, data }, eventKey)
  if (call.parent === undefined) return [toOutbox(closing, job.id)]
  const told = { composition: call.parent, job: job.id }
  const word = createEvent({ ...common, type: STAGE_ENDED, data: told }, eventKey)
  return [toOutbox(closing, job.id), toOutbox(word)]
}

/** Tells a composition that a stage of it, which was a job, has ended. */
const STAGE_ENDED = 'io.kgents.composition.stage-ended'

function tellEnding({ id: job, path }: JobRow, ending: Ending, charges: Record<string, number>): JobEnded {
  if (ending.status === 'cancelled') return { job, path, status: ending.status }
  if (ending.status === 'failed') {
    return { job, path, status: ending.status, error: { code: ending.code, message: ending.message } }
  }
  const { status, text, tokens, result } = ending
  return { job, path, status, text, tokens, result, charges }
}

function happeningOf(
  job: JobRow,
  call: JobCall,
  aspect: Happening['aspect'],
  ending: Ending,
  charges: Record<string, number>,
): Happening {
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
  }
}

function outcomeOf(ending: Ending): Pick<Happening, 'outcome'> & { code?: string } {
  if (ending.status === 'completed') return { outcome: 'success' }
  if (ending.status === 'cancelled') return { outcome: 'failure', code: 'CANCELLED' }
  return { outcome: ending.refusal ? 'refusal' : 'failure', code: ending.code }
}
