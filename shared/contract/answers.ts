/** The forms in which the pipeline answers, whatever the function. */
import { z } from 'zod'
import { FinishReason, TokenUsage } from '../inference/messages.ts'

/** What an aspect's answer holds besides its result. */
export const EnvelopeMeta = z.strictObject({
  observer: z.strictObject({ archetype: z.string() }),
  effects: z.array(z.string()),
  /** Amounts by resource. */
  charges: z.record(z.string(), z.number()),
  trace_id: z.string(),
  duration_ms: z.number(),
})
export type EnvelopeMeta = z.infer<typeof EnvelopeMeta>

/** An aspect's answer; what `result` is, its own contract says. */
export const Envelope = z.strictObject({ path: z.string(), result: z.unknown(), meta: EnvelopeMeta })
export type Envelope = z.infer<typeof Envelope>

/** What a dry run answers: what the call would do, need and cost. */
export const Rehearsal = z.strictObject({
  path: z.string(),
  dry_run: z.literal(true),
  category: z.string(),
  effects: z.array(z.string()),
  permission: z.string().nullable(),
  scopes: z.array(z.string()),
  cost: z.record(z.string(), z.number()),
  asynchronous: z.boolean(),
  observer: z.strictObject({ archetype: z.string() }),
})
export type Rehearsal = z.infer<typeof Rehearsal>

/** Answered with 202: the work goes on as a job. */
export const AcceptedJob = z.strictObject({
  job: z.strictObject({ id: z.uuid(), status: z.string() }),
  links: z.strictObject({ self: z.string(), stream: z.string() }),
})
export type AcceptedJob = z.infer<typeof AcceptedJob>

/** In place of the 202 where the job has ended: in the time of `Prefer: wait`, or before the call was repeated. */
export const FinishedJob = z.strictObject({
  path: z.string(),
  result: z.unknown(),
  ...AcceptedJob.shape,
  meta: z.strictObject({
    charges: z.record(z.string(), z.number()),
    tokens: TokenUsage.optional(),
    finish_reason: FinishReason.optional(),
    server: z.string().optional(),
    cost_usd: z.number().optional(),
    trace_id: z.string().optional(),
  }),
})
export type FinishedJob = z.infer<typeof FinishedJob>
