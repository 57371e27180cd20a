/** Turns what a handler asks of a model into a job: a row, a reservation and an event, in one transaction. */
import { Accepted, type Inference, type InferOptions } from '../contract/call.ts'
import type { Endpoint, FunctionDefinition } from '../contract/function.ts'
import type { Db } from '../database/database.ts'
import { deriveResultKey } from '../events/event.ts'
import { Failure } from '../failures.ts'
import { storedOf, type Identity } from '../identity/identity.ts'
import { newId } from '../new-id.ts'
import type { Pending } from '../calls/call-parts.ts'
import type { JobCall, NewJob } from '../calls/job-call.ts'
import { chargedFor, chargeRow } from '../calls/record.ts'
import type { Runtime } from '../calls/runtime.ts'
import { formatTraceparent, type TraceContext } from '../telemetry/trace.ts'
import { checkRequest } from '../models/check-request.ts'
import { periodOf, reserveTokens } from '../plans/allowance.ts'
import { requestedEvent } from './held-job.ts'
import { queueingOf, type Queueing } from './queueing.ts'

/** The requester: identity, archetype and function. */
export interface Requester {
  runtime: Runtime
  function: FunctionDefinition
  endpoint: Endpoint
  path: string
  identity: Identity
  archetype: string
  input: unknown
  trace: TraceContext
  startedAt: number
  parent?: string | undefined
  inner?: boolean | undefined
  queueing?: Queueing | undefined
}

/**
 * Prepares a job for `requester`; it is written by `writeJobs`, and its event with the others that are pending.
 *
 * @param options another aspect of the same node whose job it is to be, with its input; and whether it waits to be released
 * @throws Failure INFERENCE_UNAVAILABLE where no model can be had; what `checkRequest` throws
 */
export function prepareJob(
  { estimateTokens, priority, deadline, ...request }: Inference,
  { as, input, held = false, whenEnded }: InferOptions = {},
  requester: Requester,
  pending: Pending,
): Accepted {
  const { runtime } = requester
  if (runtime.inferenceUnavailable !== undefined) throw unavailable(runtime.inferenceUnavailable)
  const model = checkRequest(request, requester.identity.plan)
  const id = newId()
  const doer = as === undefined ? requester : asOther(requester, { as, input })
  const { path } = doer
  const call = {
    ...jobCallOf(doer, estimateTokens),
    ...queueingOf(requester, { priority, deadline }),
    model: model.id,
    ...(whenEnded === undefined ? {} : { whenEnded }),
  }
  const message = {
    job: id,
    tenant: call.identity.tenant,
    function: requester.function.name,
    path,
    request: 'texts' in request ? request : { ...request, model: model.id },
    resultKey: deriveResultKey(runtime.eventKey, call.identity.tenant, id),
    traceparent: call.traceparent,
  }
  pending.jobs.push({
    id,
    function: requester.function.name,
    path,
    call,
    ...(held ? {} : { message }),
    requester: requester.identity,
  })
  if (!held)
    pending.events.push(
      requestedEvent({ job: id, path, call, function: requester.function.name }, runtime.eventKey),
    )
  return new Accepted(id)
}

function asOther(requester: Requester, { as, input }: { as: string; input: unknown }): Requester {
  const endpoint = requester.function.endpoints.find(({ aspect }) => aspect?.verb === as)
  if (endpoint?.complete === undefined)
    throw new TypeError(`Cannot go on as "${as}": ${requester.function.name} has no such continuation`)
  return {
    ...requester,
    endpoint,
    path: requester.path.replace(/[^.]+$/, as),
    input,
    startedAt: Date.now(),
    // The aspect's own job with another input is still what a composition waits for.
    parent: endpoint.name === requester.endpoint.name ? requester.parent : undefined,
  }
}

function jobCallOf(requester: Requester, reservedTokens: number): JobCall {
  const { aspect, name, complete } = requester.endpoint
  if (aspect === undefined || complete === undefined)
    throw new TypeError(`Cannot use a model: ${name} has no continuation`)
  return {
    identity: storedOf(requester.identity),
    endpoint: name,
    aspect: { path: requester.path, category: aspect.category, effects: [...aspect.effects] },
    archetype: requester.archetype,
    input: requester.input,
    traceparent: formatTraceparent(requester.trace),
    startedAt: requester.startedAt,
    reservedTokens,
    period: periodOf(new Date()),
    ...(requester.parent === undefined ? {} : { parent: requester.parent }),
    ...(requester.inner === true ? { inner: true } : {}),
  }
}

/**
 * Writes the jobs that are pending, each with its reservation.
 *
 * @param answering the one that its caller waits for; no request of a caller stands behind the others
 * @throws Failure QUOTA_EXCEEDED where the plan has no tokens left
 */
export async function writeJobs(db: Db, { jobs }: Pending, answering?: string): Promise<void> {
  for (const job of jobs) {
    if (job.id !== answering) job.call.inner = true
    await reserveTokens(db, job.requester, job.call.reservedTokens, job.call.period)
    await insertJob(db, job)
  }
}

async function insertJob(db: Db, { id, function: name, path, call, message }: NewJob) {
  const { tenant, user } = call.identity
  const amount = call.reservedTokens
  const entry = { tenant, reservation: id, path, kind: 'reserved', resource: 'tokens', amount } as const
  const reserved = chargeRow(entry, chargedFor(call.identity))
  await db`
    with reservation as (
      insert into charges select * from jsonb_populate_record(null::charges, ${db.json(reserved)})
    )
    insert into jobs (id, tenant_id, user_id, function, path, call, message, admitted_at, estimate, priority, deadline)
    values (${id}, ${tenant}, ${user}, ${name}, ${path}, ${db.json(call)},
      ${message === undefined ? null : JSON.stringify(message)}, ${message === undefined ? 'infinity' : null}::text::timestamptz,
      ${amount}, ${call.priority ?? 0}, ${call.deadline ?? null})`
}

function unavailable(reason: string): Failure {
  return new Failure('INFERENCE_UNAVAILABLE', `Cannot use a model: ${reason}`, {
    suggestion:
      'Set INFERENCE_BASE_URL to an OpenAI-compatible server, or MODEL_PATH to a GGUF file, and restart',
    retryAfterSeconds: 30,
  })
}
