/** Calls of `world.model` for a client, with its credentials, and the jobs that they make. */
import { z } from 'zod'
import { Failure, failureFrom } from '../../../shared/failures.ts'
import { parseKept } from '../../../shared/exact-json.ts'
import { ANSWERS } from '../../answers.ts'
import type { ReadCaller } from '../callers.ts'
import { answerJson, type AnswerHeaders, type Client } from '../client.ts'
import { failureOf, type Completed } from '../ending.ts'
import { passedHeaders, type Functions } from '../functions.ts'
import type { Followed, Watching } from '../watching.ts'

export interface ModelCalls {
  functions: Functions
  readCaller: ReadCaller
  watching: Watching
}

/** The gateway cuts what is silent for longer. */
const MAX_WAIT_SECONDS = 80

/** Both what announces a job and what repeats the answer of one that has ended. */
const Begun = z.object({ job: z.object({ id: z.uuid() }) })

export interface Begun extends Followed {
  headers: AnswerHeaders
}

/**
 * Calls an aspect of `world.model` that asks a model.
 *
 * @throws Failure what the call is refused with
 */
export async function begin(calls: ModelCalls, client: Client, verb: string, input: object): Promise<Begun> {
  const answer = await callAspect(calls, client, verb, input)
  const begun = Begun.safeParse(answer.body)
  const caller = await calls.readCaller(client.request.headers)
  if (!begun.success || caller === undefined) throw ANSWERS.functionUnavailable
  const job = begun.data.job.id
  return { tenant: caller.tenant, job, headers: { ...answer.headers, 'x-kgents-job': job } }
}

/** @throws Failure what the call is refused with */
export async function callAspect({ functions }: ModelCalls, client: Client, verb: string, input: object) {
  const headers = { ...passedHeaders(client.request.headers), 'content-type': 'application/json' }
  const path = `/v1/agentese/world/model/${verb}`
  const body = Buffer.from(JSON.stringify(input))
  const answer = await functions.call('world-model', {
    method: 'POST',
    path,
    headers,
    body,
    signal: client.left,
  })
  const read = parseKept(await answer.body.text())
  if (answer.status >= 400) throw failureFrom(read)
  return { body: read, headers: withoutContent(answer.headers) }
}

/** Answers when the job has ended, with what `write` makes of it. A client that leaves before cancels nothing. */
export async function answerAtEnd(
  { watching }: ModelCalls,
  client: Client,
  begun: Begun,
  write: (ending: Completed) => object,
): Promise<void> {
  const ending = await watching.untilEnd(client, begun, MAX_WAIT_SECONDS)
  if (client.left.aborted) return
  if (ending === undefined) throw tooLong(begun.job)
  if (ending.status !== 'completed') throw failureOf(ending)
  answerJson(client, 200, write(ending), begun.headers)
}

/** What a function said besides its body, for an answer with another body. */
function withoutContent(headers: AnswerHeaders): AnswerHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('content-')))
}

/** To call again would ask the model once more, and be charged once more. */
function tooLong(job: string): Failure {
  return new Failure(
    'DEADLINE_EXCEEDED',
    `Cannot wait longer for job "${job}": it has not ended after ${MAX_WAIT_SECONDS} s`,
    {
      suggestion: `Use a stream, or GET /v1/jobs/${job} for its result`,
      retryAfterSeconds: 3600,
    },
  )
}
