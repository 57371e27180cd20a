/**
 * What a client receives of a job on `GET /v1/jobs/{id}/stream`, as server-sent events, and in place of the 202 of a call with
 * `Accept: text/event-stream`. The stream hub sends it; the shapes are here, so that they can be documented.
 */
import { z } from 'zod'
import { Problem } from '../problem.ts'
import { FinishReason, TokenUsage } from './messages.ts'

export const JOB_STREAM_PATH = '/v1/jobs/:id/stream'

const Turn = z.strictObject({ job: z.uuid(), attempt: z.int(), index: z.int() })

/**
 * By the name of the event; `index` is also its id, from which `Last-Event-ID` goes on. With the id of the last event there is
 * nothing to go on with: 204, at which a browser's `EventSource` does not connect again.
 */
export const JOB_STREAM_EVENTS = {
  started: { summary: 'A worker has begun', data: Turn },
  restart: { summary: 'The text so far is void and begins anew', data: Turn },
  chunk: { summary: 'The next piece of text', data: z.strictObject({ text: z.string(), index: z.int() }) },
  complete: {
    summary: 'The result; the last event, with the id `end`. A call that took no model has this event alone',
    data: z.looseObject({
      /** Absent where no model was needed. */
      job: z.uuid().optional(),
      path: z.string(),
      /** Absent where only the row is left. */
      text: z.string().optional(),
      tokens_used: z.int().optional(),
      tokens: TokenUsage.optional(),
      /** Why the model ended its answer; absent where no model gave one. */
      finish_reason: FinishReason.optional(),
      /** Name of the model server that finished the answer, where there are several. */
      server: z.string().optional(),
      /** US dollars, by the price of the model in the catalogue. */
      cost_usd: z.number().optional(),
      chunks: z.int(),
      /** Absent of a dry run, whose own members are here. */
      result: z.unknown().optional(),
      charges: z.record(z.string(), z.number()).optional(),
    }),
  },
  error: {
    summary: 'The job has ended without a result; the last event, with the id `end`',
    data: Problem.omit({ trace_id: true }).extend({ job: z.uuid() }),
  },
} as const
