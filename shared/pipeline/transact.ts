/**
 * The handler, in one transaction with everything that it leaves behind: state, mark, charges, events and the answer
 * to a repetition commit together or not at all.
 */
import type { EnvelopeMeta } from '../contract/answers.ts'
import { Accepted, type Call } from '../contract/call.ts'
import { withTenant, type Db } from '../database/database.ts'
import { Failure, Refusal } from '../failures.ts'
import { beginJob } from '../jobs/begin-job.ts'
import { acceptedJob } from '../jobs/job-answer.ts'
import { checkBacklog } from '../jobs/backlog.ts'
import { prepareJob, writeJobs, type Requester } from '../jobs/queue-job.ts'
import { formatTraceparent } from '../telemetry/trace.ts'
import { checkConsent } from './consent.ts'
import { nothingPending, type Pending } from '../calls/call-parts.ts'
import { createCall } from '../calls/create-call.ts'
import { checkDeadline, within } from '../calls/deadline.ts'
import { claimAnswer, claimUntilAnswered, findAnswer, giveUpClaim, keepAnswer } from './idempotency.ts'
import { databaseOf } from '../calls/runtime.ts'
import { aspectOf, callerOf, type Answer, type Invocation } from './invocation.ts'
import { chargedFor, markOf, settledCharges, writeRecords, type CallOutcome } from '../calls/record.ts'

/** Runs the handler of an invocation that has passed all checks. */
export async function transact(invocation: Invocation): Promise<void> {
  const kept = await answer(invocation)
  invocation.answer = reveal(invocation, kept)
}

function answer(invocation: Invocation): Promise<Answer> {
  const { transaction, writes } = invocation.request.endpoint
  if (transaction) return inTransaction(invocation)
  if (writes && invocation.identity !== undefined) return beforeTransaction(invocation)
  return without(invocation)
}

/** The first answer and its repetitions both come by here, after all has been written. */
function reveal(invocation: Invocation, kept: Answer): Answer {
  const { endpoint, answerHeaders } = invocation.request
  const location = endpoint.location?.(kept.body)
  if (location !== undefined) answerHeaders['Location'] = location
  const answer = endpoint.cookies === undefined ? kept : { ...kept, cookies: endpoint.cookies(kept.body) }
  if (endpoint.reveal === undefined) return answer
  return { ...answer, body: endpoint.reveal(kept.body, callOf(invocation, undefined, undefined)) }
}

/**
 * For handlers that wait for others and change something: no transaction is open while they do. The key for repeating
 * is claimed before, what they leave behind is written after, and where they fail the claim is given up.
 */
async function beforeTransaction(invocation: Invocation): Promise<Answer> {
  const { request, runtime } = invocation
  const { tenant } = callerOf(invocation)
  const database = databaseOf(runtime, request.function)
  const inWriting = <T>(work: (db: Db) => Promise<T>) => withTenant(database, tenant, 'write', work)
  const hasKey = request.idempotencyKey !== undefined
  const repeated = hasKey ? await inWriting((db) => claimUntilAnswered(invocation, db)) : undefined
  if (repeated !== undefined) return repeated
  try {
    const pending = nothingPending()
    const output = await within(request.deadline, handle(invocation, undefined, pending))
    return await within(
      request.deadline,
      inWriting((db) => leaveBehind(invocation, db, output, pending)),
    )
  } catch (error) {
    // Should this fail as well, the claim ends with the time that the call could have taken.
    if (hasKey) await inWriting((db) => giveUpClaim(invocation, db)).catch(() => {})
    throw error
  }
}

/** For handlers that need no transaction, or make their own while they wait for others. */
async function without(invocation: Invocation): Promise<Answer> {
  const output = await handle(invocation, undefined, undefined)
  if (invocation.identity !== undefined) recordSuccess(invocation)
  return answerOf(invocation, output, {})
}

async function inTransaction(invocation: Invocation): Promise<Answer> {
  const { request, runtime } = invocation
  const { tenant } = callerOf(invocation)
  if (request.endpoint.writes) {
    return within(
      request.deadline,
      withTenant(databaseOf(runtime, request.function), tenant, 'write', (db) => write(invocation, db)),
    )
  }
  const work = withTenant(databaseOf(runtime, request.function), tenant, 'read', async (db) => {
    const pending = nothingPending()
    const repeated = request.endpoint.complete === undefined ? undefined : await findAnswer(invocation, db)
    const output = repeated === undefined ? await handle(invocation, db, pending) : undefined
    return { output, pending, repeated }
  })
  const { output, pending, repeated } = await within(request.deadline, work)
  if (repeated !== undefined) return repeated
  const answer =
    pending.jobs.length > 0
      ? await within(request.deadline, queueAfterLook(invocation, output, pending))
      : answerOf(invocation, output, {})
  // Only now is it true that a read-only call succeeded; the mark of a write went with its transaction.
  if (!(output instanceof Accepted)) recordSuccess(invocation)
  return answer
}

/**
 * The job of a read-only call is written after it: the call itself could not have written anything. A repetition of it
 * queues no second job.
 */
async function queueAfterLook(invocation: Invocation, output: unknown, pending: Pending): Promise<Answer> {
  const { tenant } = callerOf(invocation)
  return withTenant(
    databaseOf(invocation.runtime, invocation.request.function),
    tenant,
    'write',
    async (db) => {
      const repeated = await claimAnswer(invocation, db)
      if (repeated !== undefined) return repeated
      await checkBacklog(db, pending.jobs)
      await writeJobs(db, pending, jobOf(output))
      writeRecords(db, { marks: [], events: pending.events, charges: [], changes: [] })
      const answer = answerOf(invocation, output, {})
      keepAnswer(invocation, db, answer, jobOf(output))
      return answer
    },
  )
}

async function write(invocation: Invocation, db: Db): Promise<Answer> {
  const repeated = await claimAnswer(invocation, db)
  if (repeated !== undefined) return repeated
  const pending = nothingPending()
  const output = await handle(invocation, db, pending)
  checkDeadline(invocation.request.deadline)
  return leaveBehind(invocation, db, output, pending)
}

/** Writes all that a call leaves behind, and the answer to its repetition. */
async function leaveBehind(
  invocation: Invocation,
  db: Db,
  output: unknown,
  pending: Pending,
): Promise<Answer> {
  await checkBacklog(db, pending.jobs)
  await writeJobs(db, pending, jobOf(output))
  const answer = answerOf(invocation, output, pending.charges)
  const { id, request } = invocation
  const { tenant } = callerOf(invocation)
  // The mark of a job is written when the job ends, with what it really used.
  const success = output instanceof Accepted ? undefined : successOf(invocation, pending)
  const records = {
    marks: success === undefined ? [] : [success.mark],
    // Not added to what is pending: a transaction that meets a move runs again.
    events: success === undefined ? pending.events : [...pending.events, success.event],
    charges: settledCharges(
      tenant,
      id,
      request.path ?? request.endpoint.name,
      pending.charges,
      chargedFor(callerOf(invocation)),
    ),
    changes: pending.changes,
  }
  // A call that was answered with a timeout must not have an effect.
  checkDeadline(request.deadline)
  writeRecords(db, records)
  keepAnswer(invocation, db, answer, jobOf(output))
  return answer
}

function jobOf(output: unknown): string | undefined {
  return output instanceof Accepted ? output.job : undefined
}

/** The mark of a call that went well, and its event. */
function successOf(invocation: Invocation, pending: Pending): ReturnType<typeof markOf> | undefined {
  if (invocation.request.endpoint.aspect === undefined) return undefined
  const callOutcome = callOutcomeOf(invocation, { outcome: 'success', charges: pending.charges })
  return markOf(callOutcome, invocation.runtime.eventKey)
}

async function handle(
  invocation: Invocation,
  db: Db | undefined,
  pending: Pending | undefined,
): Promise<unknown> {
  const call = callOf(invocation, db, pending)
  await checkConsent(invocation, call)
  return invocation.request.endpoint.handle(invocation.input, call)
}

/** Without `pending` nothing can be emitted or charged, and no model asked. */
function callOf(invocation: Invocation, db: Db | undefined, pending: Pending | undefined): Call {
  const { request, runtime, identity, observer } = invocation
  return createCall({
    id: invocation.id,
    runtime,
    function: request.function,
    needs: request.endpoint.needs,
    path: request.path,
    identity,
    observer,
    db,
    pending,
    mayWrite: request.endpoint.writes,
    trace: request.trace,
    deadline: request.deadline,
    requestedArchetype: request.archetype,
    idempotencyKey: request.idempotencyKey,
    address: request.address,
    browser: request.browser,
    repeats: () => void (request.answerHeaders['Idempotency-Replayed'] = 'true'),
    ...(pending === undefined
      ? {}
      : { infer: (inference, options) => prepareJob(inference, options, requesterOf(invocation), pending) }),
    ...(db === undefined || !request.endpoint.writes
      ? {}
      : { begin: () => beginJob(db, requesterOf(invocation)) }),
  })
}

function requesterOf(invocation: Invocation): Requester {
  const { request, runtime, input, observer, startedAt } = invocation
  return {
    runtime,
    function: request.function,
    endpoint: request.endpoint,
    path: request.path ?? request.endpoint.name,
    identity: callerOf(invocation),
    archetype: observer?.archetype ?? 'guest',
    input,
    trace: request.trace,
    startedAt,
    parent: request.parent,
    inner: request.inner,
    queueing: request.queueing,
  }
}

/** The body of an answer: an aspect's result in its envelope, an operation's output as it is. */
function answerOf(invocation: Invocation, output: unknown, charges: Record<string, number>): Answer {
  const { endpoint, trace, path } = invocation.request
  if (output instanceof Accepted) {
    const body = acceptedJob(output.job, output.status)
    invocation.request.answerHeaders['Location'] = body.links.self
    return { status: 202, body }
  }
  const status = endpoint.status?.(output) ?? 200
  if (endpoint.aspect === undefined) return { status, body: output }
  const meta: EnvelopeMeta = {
    observer: { archetype: invocation.observer?.archetype ?? 'guest' },
    effects: [...endpoint.aspect.effects],
    charges,
    trace_id: trace.traceId,
    duration_ms: Date.now() - invocation.startedAt,
  }
  return { status, body: { path, result: output, meta } }
}

function recordSuccess(invocation: Invocation): void {
  if (invocation.request.endpoint.aspect !== undefined) recordAside(invocation, { outcome: 'success' })
}

/** Marks an invocation that failed after it was understood; nothing else of it remains. What is answered again has its mark. */
export function recordFailure(invocation: Invocation, error: unknown): void {
  const { request, identity } = invocation
  if (request.endpoint.aspect === undefined || identity === undefined || request.dryRun === true) return
  if (request.answerHeaders['Idempotency-Replayed'] !== undefined) return
  const code = error instanceof Failure ? error.code : 'INTERNAL'
  if (code === 'PURITY_BREACH') raiseAlert(invocation)
  recordAside(invocation, { outcome: error instanceof Refusal ? 'refusal' : 'failure', code })
}

/** A read-only call tried to write: it was rolled back, and operators are to know. */
function raiseAlert({ request, runtime }: Invocation): void {
  runtime.log.error(
    { alert: 'purity_breach', path: request.path, trace_id: request.trace.traceId },
    'a read-only call tried to write',
  )
}

function recordAside(invocation: Invocation, what: Pick<CallOutcome, 'outcome'> & { code?: string }): void {
  invocation.runtime.recorder.record(callOutcomeOf(invocation, { ...what, charges: {} }))
}

function callOutcomeOf(
  invocation: Invocation,
  what: Pick<CallOutcome, 'outcome' | 'charges'> & { code?: string },
): CallOutcome {
  const { request, observer, startedAt } = invocation
  const aspect = aspectOf(invocation)
  if (aspect === undefined) throw new TypeError('Only aspects leave marks')
  return {
    id: invocation.id,
    aspect,
    function: request.function.name,
    tenant: callerOf(invocation).tenant,
    tier: callerOf(invocation).tier,
    user: callerOf(invocation).user,
    key: callerOf(invocation).key?.id,
    archetype: observer?.archetype ?? 'guest',
    inner: request.inner,
    traceId: request.trace.traceId,
    traceparent: formatTraceparent(request.trace),
    startedAt,
    endedAt: Date.now(),
    ...what,
  }
}
