/** How a job ends, and how it stands. */
import type { FailureCode } from '../failures.ts'
import type { Completion, TokenUsage } from '../inference/messages.ts'

export type JobStatus = 'queued' | 'running' | 'completed' | 'failed' | 'cancelled'

/** How a job ends, as reported by whoever ends it. */
export type JobEnd =
  | { job: string; how: 'completed'; completion: Completion }
  | { job: string; how: 'composed'; result: unknown; charges: Record<string, number> }
  /** `result` is what was done all the same, as by the earlier stages of a composition. */
  | {
      job: string
      how: 'failed'
      reason: string
      code?: FailureCode | undefined
      result?: unknown
      /** What was generated of an answer that was cancelled. */
      tokens?: TokenUsage | undefined
    }
  | { job: string; how: 'cancelled' }
