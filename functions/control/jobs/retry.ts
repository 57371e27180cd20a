/** Makes the call of a job again that failed or was cancelled. */
import type { z } from 'zod'
import { JobCall } from '../../../shared/calls/job-call.ts'
import type { Call, Given } from '../../../shared/contract/call.ts'
import { Failure, failureFrom } from '../../../shared/failures.ts'
import { find, isOwn, notFound, present, type JobAnswer } from './rows.ts'

/**
 * Calls again as the job was called, with the rights that its requester has now; however often that is asked for, once.
 *
 * @throws Failure NOT_FOUND, STATE_CONFLICT, and what the call is answered with
 */
export async function retryJob(
  id: string,
  call: Given<'postgres' | 'functions' | 'catalog', 'caller'>,
): Promise<z.infer<typeof JobAnswer>> {
  const request = await call.transact('read', (inner) => callToRepeat(id, inner))
  const found = await call.findAspect(request.path)
  if (found === undefined) throw notRepeated(id, `no node serves "${request.path}" any more`)
  const { identity, trace, signal } = call
  const named = { ...request, function: found.definition.name, idempotencyKey: `retry:${id}` }
  const { status, body } = await call.dispatch(named, { identity, trace, signal })
  if (status >= 400) throw failureFrom(body)
  const { job } = body as { job?: { id: string } } // reason: the answer of an aspect
  if (job === undefined) throw notRepeated(id, 'its path makes no job any more')
  return call.transact('read', async (inner) => present(await find(job.id, inner), inner))
}

/** @throws Failure NOT_FOUND, also where it is not the caller's own; STATE_CONFLICT */
async function callToRepeat(id: string, call: Pick<Call, 'db' | 'identity'>) {
  const row = await find(id, call)
  if (!isOwn(row, call)) throw notFound(id)
  if (row.status !== 'failed' && row.status !== 'cancelled') throw notRepeated(id, `it is ${row.status}`)
  if (row.forgotten_at !== null) throw notRepeated(id, 'something that it quotes was forgotten')
  const [kept] = await call.db<{ call: unknown }[]>`select call from jobs where id = ${id}`
  const made = JobCall.safeParse(kept?.call)
  if (!made.success || made.data.aspect === undefined) throw notRepeated(id, 'it is not the call of one path')
  const { aspect, input, archetype } = made.data
  return { path: aspect.path, input, archetype }
}

function notRepeated(id: string, why: string): Failure {
  return new Failure('STATE_CONFLICT', `Cannot retry job "${id}": ${why}`, {
    suggestion: 'GET the job for its status, or call its path with an input of your own',
  })
}
