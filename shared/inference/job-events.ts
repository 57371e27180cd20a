/** Data of the events about jobs, `io.kgents.job.*` and `io.kgents.inference.*`, with the job as their subject. */
import { z } from 'zod'
import { FinishReason, TokenUsage } from './messages.ts'

export const JobRequested = z.object({
  job: z.uuid(),
  path: z.string(),
  reserved_tokens: z.number().describe('Set aside until it is known what the job used'),
})
export type JobRequested = z.infer<typeof JobRequested>

/** What a worker reports when it takes a job. */
export const JobStarted = z.object({
  job: z.uuid(),
  attempt: z.int().min(1),
})

const ended = { job: z.uuid(), path: z.string() }

export const JobCompleted = z.object({
  ...ended,
  status: z.literal('completed'),
  text: z.string().describe('The words of the model'),
  tokens: TokenUsage,
  finish_reason: FinishReason.optional().describe('Why the model ended its answer'),
  server: z.string().optional().describe('Name of the model server that finished the answer'),
  cost_usd: z.number().optional().describe('US dollars, by the price of the model in the catalogue'),
  result: z.unknown().describe('What the path answers'),
  charges: z.record(z.string(), z.number()),
})

export const JobFailed = z.object({
  ...ended,
  status: z.literal('failed'),
  error: z.strictObject({ code: z.string(), message: z.string() }),
})

export const JobCancelled = z.object({ ...ended, status: z.literal('cancelled') })

export type JobEnded = z.infer<typeof JobCompleted> | z.infer<typeof JobFailed> | z.infer<typeof JobCancelled>
