/** How a job ended, from its closing event or from its row, and what a client receives of it. */
import { z } from 'zod'
import { Failure, failureFrom } from '../../shared/failures.ts'
import { FinishReason, TokenUsage } from '../../shared/inference/messages.ts'

const Charges = z.record(z.string(), z.number())
const JobError = z.object({ code: z.string(), message: z.string() })

const Completed = z.object({
  status: z.literal('completed'),
  path: z.string(),
  /** Absent where only the row is left. */
  text: z.string().optional(),
  tokens: TokenUsage.optional(),
  finish_reason: FinishReason.optional(),
  server: z.string().optional(),
  cost_usd: z.number().optional(),
  /** Absent where it is nothing. */
  result: z.unknown().optional(),
  charges: Charges.optional(),
})
const Failed = z.object({ status: z.literal('failed'), path: z.string(), error: JobError.optional() })
const Cancelled = z.object({ status: z.literal('cancelled'), path: z.string() })

/** Data of `io.kgents.job.completed`, `.failed` and `.cancelled`; the row of an ended job has the same members. */
export const Ending = z.discriminatedUnion('status', [Completed, Failed, Cancelled])
export type Ending = z.infer<typeof Ending>
export type Completed = z.infer<typeof Completed>

/** What `GET /v1/jobs/{id}` answers; of a job that has not ended, the status is all that matters here. */
export const JobRow = z.object({
  job: z.union([Ending, z.object({ status: z.enum(['queued', 'running']) })]),
})
export type JobRow = z.infer<typeof JobRow>['job']

export function hasEnded(row: JobRow): row is Ending {
  return row.status !== 'queued' && row.status !== 'running'
}

/** The failure that a job without a result is to its caller. */
export function failureOf(ending: Exclude<Ending, Completed>): Failure {
  if (ending.status === 'failed' && ending.error !== undefined) return failureFrom(ending.error)
  if (ending.status === 'failed') return new Failure('INFERENCE_FAILED', 'The job failed')
  return new Failure('CANCELLED', 'The job was cancelled', {
    suggestion: 'Call again to start a new one',
  })
}
