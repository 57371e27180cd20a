/**
 * The end of a job, however it comes: completed, failed or cancelled. Whoever comes first ends it; whoever comes later
 * finds it ended and changes nothing. With it go the charge, the mark and the events, in one transaction.
 */
import { CATEGORIES } from '../agentese/category.ts'
import type { Observer } from '../agentese/observer.ts'
import type { FunctionDefinition } from '../contract/function.ts'
import { asFailure, type Db } from '../database/database.ts'
import { createEvent } from '../events/event.ts'
import { Failure, Refusal } from '../failures.ts'
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
import { settleTokens } from './allowance.ts'
import type { Completion, TokenUsage } from './messages.ts'
import { JobCall, prepareJob, writeJobs } from './queue-job.ts'
import { decodeVector } from './vectors.ts'

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
  | { job: string; how: 'failed'; reason: string }
  | { job: string; how: 'cancelled' }

interface JobContext {
  runtime: Runtime
  db: Db
  signal: AbortSignal
}

/** What is written about an ended job. */
type Ending =
  | { status: 'completed'; text: string; tokens: TokenUsage; result: unknown; pending: Pending }
  | { status: 'failed'; code: string; message: string; refusal: boolean }
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
  const ending: Ending =
    end.how === 'cancelled'
      ? { status: 'cancelled' }
      : { status: 'failed', code: 'INFERENCE_FAILED', message: end.reason, refusal: false }
  return writeEnding(context, job, ending)
}

/**
 * Goes on with what the model answered: runs the endpoint's `complete`; what it throws fails the job. Where the aspect
 * may only look, so may its continuation: whatever it did to the database is rolled back.
 */
async function complete(context: JobContext, job: JobRow, completion: Completion): Promise<JobStatus> {
  const { text, tokens } = completion
  try {
    const pending = nothingPending()
    const result = await context.db
      .savepoint(async (db) => {
        const call = JobCall.parse(job.call)
        if (CATEGORIES[call.aspect.category].writes)
          return continueCall({ ...context, db }, job, call, completion, pending)
        await db`set local transaction_read_only = on`
        throw new Looked(await continueCall({ ...context, db }, job, call, completion, pending))
      })
      .catch(seen)
    return await context.db.savepoint((db) =>
      writeEnding({ ...context, db }, job, { status: 'completed', text, tokens, result, pending }),
    )
  } catch (error) {
    const { code, message } = finalFailure(error, job, context.runtime)
    return writeEnding(context, job, { status: 'failed', code, message, refusal: error instanceof Refusal })
  }
}

/** Carries the result of a look out of the savepoint that it rolls back. */
class Looked {
  readonly result: unknown

  constructor(result: unknown) {
    this.result = result
  }
}

function seen(thrown: unknown): unknown {
  if (thrown instanceof Looked) return thrown.result
  throw thrown
}

/** What ends the job; what may go well another time is thrown on, so that the event is delivered again. */
function finalFailure(error: unknown, job: JobRow, { log }: Runtime): Failure {
  const known = asFailure(error)
  if (known instanceof Failure && known.retry && known.code !== 'INTERNAL') throw known
  log[known instanceof Failure ? 'info' : 'error']({ err: error, job: job.id }, 'a continuation failed')
  return known instanceof Failure ? known : new Failure('INTERNAL', 'The result could not be made')
}

async function continueCall(
  { runtime, db, signal }: JobContext,
  job: JobRow,
  { identity, endpoint: name, aspect, archetype, input, traceparent }: JobCall,
  { text, tokens, vectors = [], model }: Completion,
  pending: Pending,
): Promise<unknown> {
  const { definition, endpoint } = endpointOf(runtime.functions, name)
  const trace = readTraceparent(traceparent)
  const parsed = endpoint.input.parse(input)
  const asker = {
    runtime,
    function: definition,
    endpoint,
    path: aspect.path,
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
    mayWrite: CATEGORIES[aspect.category].writes,
    deadline: { signal },
    infer: (inference, as) => prepareJob(inference, as, asker, pending),
  })
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
  const spent = completed === undefined ? 0 : completed.tokens.prompt + completed.tokens.completion
  const charges = completed === undefined ? {} : { ...completed.pending.charges, tokens: spent }
  const error = ending.status === 'failed' ? { code: ending.code, message: ending.message } : undefined
  await db`
    update jobs set status = ${ending.status}, finished_at = now(), charges = ${db.json(charges)},
      result = ${completed === undefined ? null : JSON.stringify(completed.result)}::text::json,
      tokens = ${completed === undefined ? null : db.json({ ...completed.tokens })},
      error = ${error === undefined ? null : db.json(error)}
    where id = ${job.id}`
  await settleTokens(db, call.reservedTokens, spent, call.period)
  if (completed !== undefined) await writeJobs(db, completed.pending)
  await writeRecords(db, recordsOf(context.runtime, job, call, ending, charges))
  return ending.status
}

function recordsOf(
  runtime: Runtime,
  job: JobRow,
  call: JobCall,
  ending: Ending,
  charges: Record<string, number>,
): Records {
  const { mark, event } = markOf(happeningOf(job, call, ending, charges), runtime.eventKey)
  const closing = createEvent(
    {
      source: `/functions/${job.function}`,
      type: `io.kgents.job.${ending.status}`,
      tenant: job.tenant_id,
      subject: job.id,
      traceparent: call.traceparent,
      data: { job: job.id, path: job.path, ...tellEnding(ending, charges) },
    },
    runtime.eventKey,
  )
  const own = { tenant: job.tenant_id, reservation: job.id, path: job.path }
  const refund = chargeRow({ ...own, kind: 'refunded', resource: 'tokens', amount: call.reservedTokens })
  const completed = ending.status === 'completed' ? ending : undefined
  return {
    marks: [mark],
    events: [...(completed?.pending.events ?? []), event, toOutbox(closing, job.id)],
    charges:
      completed === undefined ? [refund] : settledCharges(own.tenant, own.reservation, own.path, charges),
    changes: completed?.pending.changes ?? [],
  }
}

function tellEnding(ending: Ending, charges: Record<string, number>): Record<string, unknown> {
  if (ending.status === 'cancelled') return { status: ending.status }
  if (ending.status === 'failed') {
    return { status: ending.status, error: { code: ending.code, message: ending.message } }
  }
  const { status, text, tokens, result } = ending
  return { status, text, tokens, result, charges }
}

function happeningOf(job: JobRow, call: JobCall, ending: Ending, charges: Record<string, number>): Happening {
  return {
    id: job.id,
    aspect: call.aspect,
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
