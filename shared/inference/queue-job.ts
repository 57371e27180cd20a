/** Turns what a handler asks of a model into a job: a row, a reservation and an event, in the handler's transaction. */
import { v7 as uuidv7 } from 'uuid'
import { z } from 'zod'
import { Accepted, type Inference } from '../contract/call.ts'
import type { Db } from '../database/database.ts'
import { createEvent, deriveResultKey } from '../events/event.ts'
import { Failure } from '../failures.ts'
import { Identity } from '../identity/identity.ts'
import type { Pending } from '../pipeline/create-call.ts'
import { callerOf, type Invocation } from '../pipeline/invocation.ts'
import { chargeRow, toOutbox } from '../pipeline/record.ts'
import { formatTraceparent } from '../telemetry/trace.ts'
import { periodOf, reserveTokens } from './allowance.ts'
import type { JobMessage } from './messages.ts'

/** What the continuation needs to go on as the same invocation; kept with the job. */
export const JobCall = z.object({
  identity: Identity,
  aspect: z.object({
    path: z.string(),
    category: z.enum(['P', 'M', 'C', 'I', 'G', 'E']),
    effects: z.array(z.string()),
  }),
  archetype: z.string(),
  input: z.unknown(),
  traceparent: z.string(),
  startedAt: z.number(),
  reservedTokens: z.number(),
  period: z.string(),
})
export type JobCall = z.infer<typeof JobCall>

const REQUESTED = 'io.kgents.inference.requested'

/**
 * Queues a job for the invocation under way.
 *
 * @throws Failure INFERENCE_UNAVAILABLE where no model can be had, QUOTA_EXCEEDED where the plan has no tokens left
 */
export async function queueJob(
  { estimateTokens, ...request }: Inference,
  invocation: Invocation,
  db: Db,
  pending: Pending,
): Promise<Accepted> {
  const { runtime } = invocation
  if (runtime.inferenceUnavailable !== undefined) throw unavailable(runtime.inferenceUnavailable)
  const job = uuidv7()
  const call = jobCallOf(invocation, estimateTokens)
  await reserveTokens(db, call.identity, estimateTokens, call.period)
  await insertJob(db, job, invocation, call, {
    job,
    tenant: call.identity.tenant,
    function: invocation.request.function.name,
    path: invocation.request.endpoint.name,
    request,
    resultKey: deriveResultKey(runtime.eventKey, call.identity.tenant, job),
    traceparent: call.traceparent,
  })
  pending.events.push(requestedEvent(job, invocation, call))
  return new Accepted(job)
}

function jobCallOf(invocation: Invocation, reservedTokens: number): JobCall {
  const { aspect } = invocation.request.endpoint
  if (aspect === undefined) throw new TypeError('Only aspects ask a model')
  const { path, category, effects } = aspect
  return {
    identity: callerOf(invocation),
    aspect: { path, category, effects: [...effects] },
    archetype: invocation.observer?.archetype ?? 'guest',
    input: invocation.input,
    traceparent: formatTraceparent(invocation.request.trace),
    startedAt: invocation.startedAt,
    reservedTokens,
    period: periodOf(new Date()),
  }
}

async function insertJob(db: Db, job: string, { request }: Invocation, call: JobCall, message: JobMessage) {
  const { tenant, user } = call.identity
  const path = request.endpoint.name
  const reserved = chargeRow({
    tenant,
    reservation: job,
    path,
    kind: 'reserved',
    resource: 'tokens',
    amount: call.reservedTokens,
  })
  await db`
    with reservation as (
      insert into charges select * from jsonb_populate_record(null::charges, ${db.json(reserved as never)})
    )
    insert into jobs (id, tenant_id, user_id, function, path, call, message)
    values (${job}, ${tenant}, ${user}, ${request.function.name}, ${path}, ${db.json(call as never)},
            ${JSON.stringify(message)})`
}

function requestedEvent(job: string, { request, runtime }: Invocation, call: JobCall) {
  return toOutbox(
    createEvent(
      {
        source: `/functions/${request.function.name}`,
        type: REQUESTED,
        tenant: call.identity.tenant,
        subject: job,
        traceparent: call.traceparent,
        data: { job, path: request.endpoint.name, reserved_tokens: call.reservedTokens },
      },
      runtime.eventKey,
    ),
  )
}

function unavailable(reason: string): Failure {
  return new Failure('INFERENCE_UNAVAILABLE', `Cannot ask a model: ${reason}`, {
    suggestion:
      'Set INFERENCE_BASE_URL to an OpenAI-compatible server, or MODEL_PATH to a GGUF file, and restart',
    retryAfterSeconds: 30,
  })
}
