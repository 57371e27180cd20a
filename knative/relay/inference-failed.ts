/** The relay's word on a job that no worker will finish: the function that asked refunds the charge and answers. */
import { toNats } from '../../shared/nats/event-message.ts'
import { eventSubject } from '../../shared/nats/subjects.ts'
import { createEvent } from '../../shared/events/event.ts'
import { JobMessage, type InferenceFailure } from '../../shared/inference/messages.ts'
import type { Outgoing } from '../../shared/nats/publisher.ts'

const TYPE = 'io.kgents.inference.failed'

/** The job in a message, or undefined where there is none. */
export function readJob(message: string): JobMessage | undefined {
  try {
    return JobMessage.parse(JSON.parse(message))
  } catch {
    return undefined
  }
}

/** Writes `io.kgents.inference.failed`, signed with the job's own key: the relay holds no other. */
export function writeInferenceFailed(
  job: JobMessage,
  reason: string,
  attempt: number,
  code?: InferenceFailure['code'],
): Outgoing {
  const data: InferenceFailure = {
    job: job.job,
    reason,
    attempt: Math.max(1, attempt),
    ...(code === undefined ? {} : { code }),
  }
  const event = createEvent(
    {
      source: '/relay',
      type: TYPE,
      tenant: job.tenant,
      subject: job.job,
      function: job.function,
      ...(job.traceparent === undefined ? {} : { traceparent: job.traceparent }),
      data,
    },
    job.resultKey,
  )
  return { subject: eventSubject(job.tenant, TYPE), ...toNats(event) }
}
