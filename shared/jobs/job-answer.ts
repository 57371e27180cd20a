/** The answer to a call that has become a job, as the job is now. */
import type { AcceptedJob, FinishedJob } from '../contract/answers.ts'
import type { JobStatus } from '../contract/job-end.ts'
import { Failure, failureFrom } from '../failures.ts'
import type { FinishReason, TokenUsage } from '../inference/messages.ts'
import { readTraceparent } from '../telemetry/trace.ts'

/** What is read of a job to answer with it. */
export interface JobState {
  id: string
  path: string
  status: JobStatus
  result: unknown
  error: { code: string; message: string } | null
  tokens: TokenUsage | null
  finish_reason: FinishReason | null
  server: string | null
  cost_usd: number | null
  charges: Record<string, number> | null
  traceparent: string
  /** When something was forgotten that it quotes. */
  forgotten_at: string | null
}

export function acceptedJob(id: string, status: string): AcceptedJob {
  const self = `/v1/jobs/${id}`
  return { job: { id, status }, links: { self, stream: `${self}/stream` } }
}

/**
 * A job that waits or runs is accepted (202), one that has completed is answered with its result (200).
 *
 * @throws Failure what the job has failed with, CANCELLED where it was cancelled, NOT_FOUND where its result was forgotten
 */
export function answerOfJob(job: JobState): { status: number; body: AcceptedJob | FinishedJob } {
  if (job.status === 'failed') throw withJob(failureFrom(job.error), job)
  if (job.status === 'cancelled') throw withJob(new Failure('CANCELLED', 'The job was cancelled'), job)
  const accepted = acceptedJob(job.id, job.status)
  if (job.status !== 'completed') return { status: 202, body: accepted }
  if (isForgotten(job)) throw withJob(forgottenAnswer(), job)
  const { path, result, tokens, finish_reason, server, cost_usd, charges, traceparent } = job
  const meta = {
    charges: charges ?? {},
    ...(tokens === null ? {} : { tokens }),
    ...(finish_reason === null ? {} : { finish_reason }),
    ...(server === null ? {} : { server }),
    ...(cost_usd === null ? {} : { cost_usd }),
    trace_id: readTraceparent(traceparent).traceId,
  }
  return { status: 200, body: { path, result, ...accepted, meta } }
}

/** Whether nothing is left of what the job came to. */
function isForgotten({ result, forgotten_at }: JobState): boolean {
  return forgotten_at !== null && result === null
}

export function forgottenAnswer(): Failure {
  return new Failure('NOT_FOUND', 'Cannot answer again: what was answered is forgotten', {
    suggestion: 'Use a new Idempotency-Key to make the call once more',
  })
}

/** Whether the same call may go well later: then its key for repeating stands for nothing. */
export function mayGoWellLater({ status, error }: Pick<JobState, 'status' | 'error'>): boolean {
  return status === 'failed' && failureFrom(error).retry
}

function withJob(
  { code, message, facts }: Failure,
  { id, status }: Pick<JobState, 'id' | 'status'>,
): Failure {
  return new Failure(code, message, { ...facts, details: { ...facts.details, job: { id, status } } })
}
