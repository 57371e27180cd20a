/**
 * The end of a job, however it comes: completed, failed or cancelled. Whoever comes first ends it; whoever comes later
 * finds it ended and changes nothing. With it go the charge, the mark and the events, in one transaction.
 */
import { nothingPending } from '../calls/call-parts.ts'
import { JobCall } from '../calls/job-call.ts'
import type { Runtime } from '../calls/runtime.ts'
import type { JobEnd, JobStatus } from '../contract/job-end.ts'
import { asFailure } from '../database/database.ts'
import { Failure, Refusal, type Category } from '../failures.ts'
import type { TokenUsage } from '../inference/messages.ts'
import { continueCall, type Outcome } from './continue-call.ts'
import { settleCancelled, writeEnding, type Ending, type JobContext, type JobRow } from './write-ending.ts'

const NO_TOKENS: TokenUsage = { prompt: 0, completion: 0 }

/**
 * Ends a job of this transaction's tenant, unless it has ended already.
 *
 * @returns the status that the job now has; undefined where the tenant has no such job
 */
export async function endJob(context: JobContext, end: JobEnd): Promise<JobStatus | undefined> {
  const { db } = context
  const [job] = await db<JobRow[]>`
    select id, tenant_id, function, path, status, call, charges is null as unsettled, forgotten_at is not null as forgotten,
      message is not null and coalesce(admitted_at < 'infinity', status = 'running') as taken
    from jobs where id = ${end.job} for update`
  if (job === undefined) return undefined
  if (job.status === 'cancelled' && job.unsettled) return settle(context, job, end)
  if (job.status !== 'queued' && job.status !== 'running') return job.status
  if (end.how === 'completed') return complete(context, job, end.completion)
  if (end.how === 'failed' && recovers(context, job)) return complete(context, job, noAnswer(end.reason))
  return writeEnding(context, job, endingOf(end, job))
}

/** Charges what a worker generated of a cancelled job; to cancel it again changes nothing. */
async function settle(context: JobContext, job: JobRow, end: JobEnd): Promise<JobStatus> {
  const tokens =
    end.how === 'completed' ? end.completion.tokens : end.how === 'failed' ? end.tokens : undefined
  if (end.how !== 'cancelled') await settleCancelled(context, job, tokens ?? NO_TOKENS)
  return job.status
}

function endingOf(end: Exclude<JobEnd, { how: 'completed' }>, job: JobRow): Ending {
  if (end.how === 'cancelled') return job.taken ? { status: end.how } : { status: end.how, tokens: NO_TOKENS }
  if (end.how === 'failed') {
    const { code = 'INFERENCE_FAILED', reason: message } = end
    return { status: 'failed', code, message, refusal: false, result: end.result }
  }
  const pending = { ...nothingPending(), charges: end.charges }
  return { status: 'completed', text: '', tokens: NO_TOKENS, result: end.result, pending }
}

function noAnswer(failed: string): Outcome {
  return { text: '', tokens: NO_TOKENS, model: '', failed }
}

function recovers({ runtime }: JobContext, job: JobRow): boolean {
  const { endpoint } = JobCall.parse(job.call)
  return runtime.functions.some(({ endpoints }) =>
    endpoints.some(({ name, recover }) => name === endpoint && recover !== undefined),
  )
}

/** Goes on with what the model answered, or with why it did not; what the continuation throws fails the job. */
async function complete(context: JobContext, job: JobRow, outcome: Outcome): Promise<JobStatus> {
  const { text, tokens, finishReason, server, model, durationSeconds, computeSeconds } = outcome
  try {
    return await context.db.savepoint(async (db) => {
      const inner = { ...context, db }
      const pending = nothingPending()
      const result = await continueCall(inner, job, outcome, pending)
      // What is checked at the commit is checked now: it is to fail the job, and not the delivery of its result.
      await db`set constraints all immediate`
      return writeEnding(inner, job, {
        status: 'completed',
        text,
        tokens,
        finishReason,
        server,
        model,
        durationSeconds,
        computeSeconds,
        result,
        pending,
      })
    })
  } catch (error) {
    const { code, message } = finalFailure(error, job, context.runtime)
    return writeEnding(context, job, { status: 'failed', code, message, refusal: error instanceof Refusal })
  }
}

const LASTING = new Set<Category>(['INTERNAL', 'QUOTA_EXCEEDED'])

/**
 * What ends the job; what may go well in a moment is thrown on, so that the event is delivered again. A limit that is
 * reached stays so for longer than deliveries go on.
 */
function finalFailure(error: unknown, job: JobRow, { log }: Runtime): Failure {
  const known = asFailure(error)
  if (known instanceof Failure && known.retry && !LASTING.has(known.category)) throw known
  log[known instanceof Failure ? 'info' : 'error']({ err: error, job: job.id }, 'a continuation failed')
  return known instanceof Failure ? known : new Failure('INTERNAL', 'The result could not be made')
}
