/** Jobs that wait, with their reservation, until it is known what a model is to be asked: the next message of a conversation. */
import type { OutboxRow } from '../calls/record.ts'
import { toOutbox } from '../calls/record.ts'
import type { Releasing } from '../calls/runtime.ts'
import { JobCall } from '../calls/job-call.ts'
import { createEvent, deriveResultKey } from '../events/event.ts'
import type { JobRequested } from '../inference/job-events.ts'
import type { InferenceRequest, JobMessage } from '../inference/messages.ts'

const REQUESTED = 'io.kgents.inference.requested'

/** Queues a held job with `request`; false where it has ended meanwhile, or was released before. */
export async function releaseJob(
  { job, request }: { job: string; request: InferenceRequest },
  { db, events, eventKey }: Releasing,
): Promise<boolean> {
  const [row] = await db<{ tenant_id: string; function: string; path: string; call: unknown }[]>`
    select tenant_id, function, path, call from jobs
    where id = ${job} and status = 'queued' and message is null for update`
  if (row === undefined) return false
  const { tenant_id: tenant, function: name, path } = row
  const call = JobCall.parse(row.call)
  const resultKey = deriveResultKey(eventKey, tenant, job)
  const { traceparent } = call
  const message: JobMessage = { job, tenant, function: name, path, request, resultKey, traceparent }
  await db`update jobs set message = ${JSON.stringify(message)}, admitted_at = null where id = ${job}`
  events.push(requestedEvent({ job, path, call, function: name }, eventKey))
  return true
}

/** The event that a job waits to be admitted. */
export function requestedEvent(
  { job, path, call, function: name }: { job: string; path: string; call: JobCall; function: string },
  eventKey: string,
): OutboxRow {
  const data: JobRequested = { job, path, reserved_tokens: call.reservedTokens }
  const { traceparent } = call
  const { tenant } = call.identity
  const event = { source: `/functions/${name}`, type: REQUESTED, tenant, subject: job, traceparent, data }
  return toOutbox(createEvent(event, eventKey))
}
