/**
 * Answers of models that are kept: the job of an answer is all that there is of it. They are personal, as all jobs are: those
 * of others are not there.
 */
import { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { Failure } from '../../../../shared/failures.ts'
import type { ChatMessage } from '../../../../shared/inference/messages.ts'
import { CompletionInput, CompletionOutput } from './shapes.ts'

const PATH = 'world.model.complete'
const Status = z.enum(['queued', 'running', 'completed', 'failed', 'cancelled'])
const Which = z.strictObject({ job: z.uuid() })
const ASKED = {
  path: PATH,
  input: { messages: [{ role: 'user', content: 'Why is the sky blue?' }], maxTokens: 64 },
}

interface KeptRow {
  status: z.infer<typeof Status>
  created_at: Date
  input: CompletionInput
  result: CompletionOutput | null
  error: { code: string; message: string } | null
}

export const recall = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'An answer of a model that you have asked, with what you had asked',
  effects: ['reads:completion'],
  input: Which,
  output: z.strictObject({
    job: z.uuid(),
    status: Status,
    created_at: z.string(),
    input: CompletionInput,
    result: CompletionOutput.optional(),
    error: z.strictObject({ code: z.string(), message: z.string() }).optional(),
  }),
  examples: [{ summary: 'Read it again', input: { job: { $from: 'given.0.job.id' } }, given: [ASKED] }],
  async handle({ job }, call) {
    const { status, created_at, input, result, error } = await find(job, call)
    return {
      job,
      status,
      created_at: created_at.toISOString(),
      input,
      ...(result === null ? {} : { result }),
      ...(error === null ? {} : { error }),
    }
  },
})

export const forget = aspect({
  category: 'M',
  archetypes: 'all',
  summary: 'Forget what was asked of a model, and what it answered; what it has cost is kept',
  effects: ['deletes:completion'],
  input: Which,
  output: z.strictObject({ forgotten: z.uuid() }),
  examples: [{ summary: 'Forget it', input: { job: { $from: 'given.0.job.id' } }, given: [ASKED] }],
  async handle({ job }, call) {
    const { status } = await find(job, call)
    if (status === 'queued' || status === 'running') {
      throw new Failure('STATE_CONFLICT', `Cannot forget the answer of job "${job}": it is ${status}`, {
        suggestion: `DELETE /v1/jobs/${job} first, which cancels it`,
      })
    }
    await call.db`
      update jobs set forgotten_at = now(), result = null, call = jsonb_set(call, '{input}', 'null') where id = ${job}`
    return { forgotten: job }
  },
})

/**
 * The conversation that an answer ends.
 *
 * @throws Failure NOT_FOUND, STATE_CONFLICT where it has not ended, or not with an answer
 */
export async function conversationOf(
  job: string,
  call: Pick<Call, 'db' | 'identity'>,
): Promise<ChatMessage[]> {
  const { status, input, result } = await find(job, call)
  if (result === null) {
    throw new Failure('STATE_CONFLICT', `Cannot go on from the answer of job "${job}": it is ${status}`, {
      suggestion: 'Wait until it has completed, or go on from another answer',
    })
  }
  const { text: content, toolCalls } = result
  const said = { role: 'assistant' as const, content, ...(toolCalls.length === 0 ? {} : { toolCalls }) }
  return [...input.messages, said]
}

/** @throws Failure NOT_FOUND, also for one that was not to be kept */
async function find(job: string, { db, identity }: Pick<Call, 'db' | 'identity'>): Promise<KeptRow> {
  const [row] = await db<KeptRow[]>`
    select status, created_at, call -> 'input' as input, result, error from jobs
    where id = ${job} and user_id = ${identity.user} and path = ${PATH} and forgotten_at is null
      and coalesce((call #>> '{input,store}')::boolean, true)`
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', `Cannot find an answer of job "${job}"`, {
    suggestion: 'GET /v1/jobs?path=world.model lists what you have asked',
  })
}
