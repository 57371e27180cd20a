/**
 * What a worker reports to the requesting function: `io.kgents.inference.started`, then `.completed` or `.failed`,
 * signed with the key that came with the job and good for that job alone.
 *
 * A result is published until JetStream has stored it, however long NATS is unavailable: the work behind it is expensive.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ErrorCode, NatsError } from 'nats'
import { toNats } from '../shared/nats/event-message.ts'
import { eventSubject } from '../shared/nats/subjects.ts'
import { createEvent, type KgentsEvent } from '../shared/events/event.ts'
import type { Completion, InferenceFailure, JobMessage } from '../shared/inference/messages.ts'
import type { Log } from '../shared/telemetry/log.ts'
import { childOf, formatTraceparent, readTraceparent } from '../shared/telemetry/trace.ts'
import { EngineFailure } from './engines/engine.ts'
import type { NatsLink } from '../shared/nats/link.ts'

type Result =
  | { type: 'started'; data: { job: string; attempt: number } }
  | { type: 'completed'; data: Completion }
  | { type: 'failed'; data: InferenceFailure }

/** The event that carries `result` to the function that asked for `job`. */
export function createResult(job: JobMessage, { type, data }: Result): KgentsEvent {
  return createEvent(
    {
      source: '/gpu-workers',
      type: `io.kgents.inference.${type}`,
      tenant: job.tenant,
      subject: job.job,
      function: job.function,
      traceparent: formatTraceparent(childOf(readTraceparent(job.traceparent))),
      data,
    },
    job.resultKey,
  )
}

/** Publishes without waiting: for what is nice to know and may be lost. */
export function announceEvent({ nc }: NatsLink, event: KgentsEvent): void {
  const { headers, payload } = toNats(event)
  nc?.publish(eventSubject(event.tenantid, event.type), payload, { headers })
}

/**
 * Publishes until the event is stored; its id keeps a repeated publish from counting twice.
 *
 * @throws EngineFailure where NATS will never take so large an event; what `signal` was aborted with
 */
export async function storeEvent(
  link: NatsLink,
  event: KgentsEvent,
  { log, signal }: { log: Log; signal: AbortSignal },
): Promise<void> {
  const { headers, payload } = toNats(event)
  const subject = eventSubject(event.tenantid, event.type)
  for (let delay = 250; ; delay = Math.min(delay * 2, 5000)) {
    try {
      await link.jetstream().publish(subject, payload, { headers, timeout: 3000 })
      return
    } catch (error) {
      signal.throwIfAborted()
      if (isTooLarge(error)) {
        const message = `Cannot store the result: NATS takes no message of ${payload.length} bytes, see max_payload`
        throw new EngineFailure(message, { retry: false, cause: error })
      }
      log.warn({ err: error, event: event.id, type: event.type }, 'cannot store a result, trying again')
      await sleep(delay, undefined, { signal })
    }
  }
}

/** Many vectors of many dimensions can be more than the megabyte that NATS takes by default. */
const TOO_LARGE: string = ErrorCode.MaxPayloadExceeded

function isTooLarge(error: unknown): boolean {
  return error instanceof NatsError && error.code === TOO_LARGE
}
