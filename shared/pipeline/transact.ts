/**
 * The handler, in one transaction with everything that it leaves behind: state, mark, charges, events and the answer
 * to a repetition commit together or not at all.
 */
import { v7 as uuidv7 } from 'uuid'
import { Accepted } from '../contract/call.ts'
import { withTenant, type Db } from '../database/database.ts'
import { Failure, Refusal } from '../failures.ts'
import { queueJob } from '../inference/queue-job.ts'
import { formatTraceparent } from '../telemetry/trace.ts'
import { createCall, nothingPending, type Pending } from './create-call.ts'
import { checkDeadline, within } from './deadline.ts'
import { claimAnswer, keepAnswer } from './idempotency.ts'
import { callerOf, type Answer, type Invocation } from './invocation.ts'
import { markOf, settledCharges, writeRecords, type Happening } from './record.ts'

/** Runs the handler of an invocation that has passed all checks. */
export async function transact(invocation: Invocation): Promise<void> {
  const { request, runtime } = invocation
  const { endpoint } = request
  if (!endpoint.transaction) {
    const output = await handle(invocation, undefined, undefined)
    invocation.answer = answerOf(invocation, output, {})
    return
  }
  const { tenant } = callerOf(invocation)
  const work = endpoint.writes
    ? withTenant(runtime.sql, tenant, 'write', (db) => write(invocation, db))
    : withTenant(runtime.sql, tenant, 'read', (db) => look(invocation, db))
  invocation.answer = await within(request.deadline, work)
  // Only now is it true that a look succeeded; the mark of a write went with its transaction.
  if (endpoint.aspect !== undefined && !endpoint.writes) recordAside(invocation, { outcome: 'success' })
}

async function look(invocation: Invocation, db: Db): Promise<Answer> {
  return answerOf(invocation, await handle(invocation, db, undefined), {})
}

async function write(invocation: Invocation, db: Db): Promise<Answer> {
  const repeated = await claimAnswer(invocation, db)
  if (repeated !== undefined) return repeated
  const { request, runtime } = invocation
  const pending = nothingPending()
  const output = await handle(invocation, db, pending)
  checkDeadline(request.deadline)
  const answer = answerOf(invocation, output, pending.charges)
  const marks = []
  // The mark of a job is written when the job ends, with what it really used.
  if (request.endpoint.aspect !== undefined && !(output instanceof Accepted)) {
    const happening = happeningOf(invocation, { outcome: 'success', charges: pending.charges })
    const { mark, event } = markOf(happening, runtime.eventKey)
    marks.push(mark)
    pending.events.push(event)
  }
  const charges = settledCharges(
    callerOf(invocation).tenant,
    uuidv7(),
    request.endpoint.name,
    pending.charges,
  )
  await Promise.all([
    writeRecords(db, { marks, events: pending.events, charges }),
    keepAnswer(invocation, db, answer),
  ])
  return answer
}

/** Without `pending` the handler may neither emit nor charge: a call that only looks leaves nothing of its own behind. */
async function handle(
  invocation: Invocation,
  db: Db | undefined,
  pending: Pending | undefined,
): Promise<unknown> {
  const { request, runtime, identity, observer } = invocation
  const call = createCall({
    runtime,
    function: request.function,
    identity,
    observer,
    db,
    pending,
    trace: request.trace,
    deadline: request.deadline,
    asked: request.archetype,
    idempotencyKey: request.idempotencyKey,
    ...(request.endpoint.complete === undefined || db === undefined || pending === undefined
      ? {}
      : { infer: (inference) => queueJob(inference, invocation, db, pending) }),
  })
  return request.endpoint.handle(invocation.input, call)
}

/** The body of an answer: an aspect's result in its envelope, an operation's output as it is. */
function answerOf(invocation: Invocation, output: unknown, charges: Record<string, number>): Answer {
  const { endpoint, trace } = invocation.request
  if (output instanceof Accepted) {
    const self = `/v1/jobs/${output.job}`
    invocation.request.answerHeaders['Location'] = self
    return {
      status: 202,
      body: { job: { id: output.job, status: output.status }, links: { self, stream: `${self}/stream` } },
    }
  }
  const status = endpoint.status?.(output) ?? 200
  if (endpoint.aspect === undefined) return { status, body: output }
  const meta = {
    observer: { archetype: invocation.observer?.archetype },
    effects: endpoint.aspect.effects,
    charges,
    trace_id: trace.traceId,
    duration_ms: Date.now() - invocation.startedAt,
  }
  return { status, body: { path: endpoint.aspect.path, result: output, meta } }
}

/** Marks an invocation that failed after it was understood; nothing else of it remains. */
export function recordFailure(invocation: Invocation, error: unknown): void {
  if (invocation.request.endpoint.aspect === undefined || invocation.observer === undefined) return
  const code = error instanceof Failure ? error.code : 'INTERNAL'
  recordAside(invocation, { outcome: error instanceof Refusal ? 'refusal' : 'failure', code })
}

function recordAside(invocation: Invocation, what: Pick<Happening, 'outcome'> & { code?: string }): void {
  const { recorder, eventKey } = invocation.runtime
  const { mark, event } = markOf(happeningOf(invocation, { ...what, charges: {} }), eventKey)
  recorder.record(mark, event)
}

function happeningOf(
  invocation: Invocation,
  what: Pick<Happening, 'outcome' | 'charges'> & { code?: string },
): Happening {
  const { request, observer, startedAt } = invocation
  if (request.endpoint.aspect === undefined) throw new TypeError('Only aspects leave marks')
  return {
    id: invocation.id,
    aspect: request.endpoint.aspect,
    function: request.function.name,
    tenant: callerOf(invocation).tenant,
    user: callerOf(invocation).user,
    archetype: observer?.archetype ?? 'guest',
    traceId: request.trace.traceId,
    traceparent: formatTraceparent(request.trace),
    startedAt,
    ...what,
  }
}
