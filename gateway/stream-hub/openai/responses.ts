/**
 * `/v1/responses`. A response is its job: `world.model.recall` reads it, `previous_response_id` goes on from it, and to delete it
 * is to forget what was asked and answered. With `store: false` it is read and gone on from by nobody; the job stays, as all do.
 */
import { z } from 'zod'
import { CompletionInput, CompletionOutput } from '../../../functions/agentese/world/model/shapes.ts'
import { failureFrom } from '../../../shared/failures.ts'
import { ANSWERS } from '../../answers.ts'
import type { Body } from '../../upstream/collect-body.ts'
import { answerJson, type Client } from '../client.ts'
import { passedHeaders } from '../functions.ts'
import { answerAtEnd, begin, callAspect, type ModelCalls } from './calls.ts'
import { outputOf } from './ending.ts'
import { readRequest } from './read-request.ts'
import { responseOf, type Asked, type Progress } from './response.ts'
import { jobIn } from './response-ids.ts'
import { ResponseRequest } from './response-request.ts'
import { createResponseWire, indexBehind } from './response-wire.ts'

const Kept = z.object({
  result: z.object({
    status: z.enum(['queued', 'running', 'completed', 'failed', 'cancelled']),
    created_at: z.string(),
    input: CompletionInput,
    result: CompletionOutput.optional(),
    error: z.unknown().optional(),
  }),
})

export async function respond(calls: ModelCalls, client: Client, body: Body): Promise<void> {
  const { input, stream, background } = readRequest(ResponseRequest, body)
  const begun = await begin(calls, client, 'complete', input)
  const asked = {
    job: begun.job,
    createdAt: secondsOf(new Date()),
    background,
    input: input as Asked['input'],
  }
  if (stream) {
    const { headers } = begun
    return calls.watching.openStream(client, begun, { headers, wire: createResponseWire(asked) })
  }
  if (background) return answerJson(client, 200, responseOf(asked, { status: 'queued' }), begun.headers)
  await answerAtEnd(calls, client, begun, ({ result }) =>
    responseOf(asked, { status: 'completed', output: outputOf(result) }),
  )
}

export async function readResponse(
  calls: ModelCalls,
  client: Client,
  _body: Body,
  id: string,
): Promise<void> {
  const { asked, progress } = await read(calls, client, id)
  const query = new URLSearchParams(client.target.query)
  if (query.get('stream') !== 'true') return answerJson(client, 200, responseOf(asked, progress))
  const caller = await calls.readCaller(client.request.headers)
  if (caller === undefined) throw ANSWERS.functionUnavailable
  const behind = Number(query.get('starting_after') ?? -1)
  const { job } = asked
  const row = rowOf(progress)
  calls.watching.openStream(
    client,
    { tenant: caller.tenant, job, ...(row === undefined ? {} : { row }) },
    { lastEventId: indexBehind(behind), wire: createResponseWire(asked, behind) },
  )
}

export async function deleteResponse(
  calls: ModelCalls,
  client: Client,
  _body: Body,
  id: string,
): Promise<void> {
  await callAspect(calls, client, 'forget', { job: jobIn(id) })
  answerJson(client, 200, { id, object: 'response', deleted: true })
}

export async function cancelResponse(
  calls: ModelCalls,
  client: Client,
  _body: Body,
  id: string,
): Promise<void> {
  const job = jobIn(id)
  await read(calls, client, id)
  const headers = passedHeaders(client.request.headers)
  const { status, body } = await calls.functions.callJson('jobs', {
    method: 'DELETE',
    path: `/v1/jobs/${job}`,
    headers,
  })
  if (status >= 400) throw failureFrom(body)
  const { asked, progress } = await read(calls, client, id)
  answerJson(client, 200, responseOf(asked, progress))
}

async function read(
  calls: ModelCalls,
  client: Client,
  id: string,
): Promise<{ asked: Asked; progress: Progress }> {
  const job = jobIn(id)
  const { body } = await callAspect(calls, client, 'recall', { job })
  const { status, created_at, input, result: output, error } = Kept.parse(body).result
  const asked = { job, createdAt: secondsOf(new Date(created_at)), background: false, input }
  return { asked, progress: { status, output, error } }
}

/** As the row of the job says it. */
function rowOf({ status, output, error }: Progress) {
  const path = 'world.model.complete'
  if (status === 'completed' && output !== undefined)
    return { status, path, text: output.text, result: output }
  if (status === 'failed') return { status, path, error: error as { code: string; message: string } } // reason: of a failed job
  return status === 'cancelled' ? { status, path } : undefined
}

function secondsOf(time: Date): number {
  return Math.floor(time.getTime() / 1000)
}
