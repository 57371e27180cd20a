/**
 * The worker: takes jobs from the queue, as many at once as the engine can run, and sees each to its end.
 *
 * Promises: a job is acknowledged only when its result is stored, or when nobody wants it any more; a job that
 * fails is tried again after a pause, here or elsewhere, and given up after the last attempt with a result that
 * says so; of a job that was cancelled it is reported what had been generated; a worker that has to stop finishes what it can and hands over the rest at once.
 */
import { fromNats } from '../shared/nats/event-message.ts'
import { JOB_ATTEMPTS, WORKERS_CONSUMER } from '../shared/nats/streams.ts'
import { JobMessage, type InferenceFailure } from '../shared/inference/messages.ts'
import { ageOf } from '../shared/new-id.ts'
import { eventSubject } from '../shared/nats/subjects.ts'
import { createStateLog, type ReportState } from '../shared/telemetry/state-log.ts'
import type { Log } from '../shared/telemetry/log.ts'
import { readTraceparent } from '../shared/telemetry/trace.ts'
import { consume } from '../shared/nats/consume.ts'
import type { Delivery } from '../shared/nats/delivery.ts'
import { EngineFailure, type Engine } from './engines/engine.ts'
import type { NatsLink } from '../shared/nats/link.ts'
import type { Metrics } from './metrics.ts'
import { createResult, storeEvent } from './results.ts'
import { runJob, Stopped } from './run-job.ts'
import { readCancelled } from './token-log.ts'

export interface WorkerSettings {
  /** As the consumer is configured: a worker that is silent for so long loses its job. */
  ackWaitSeconds: number
  /** How long running jobs may go on after `close`. */
  drainSeconds: number
  stallSeconds: number
  /** Pause before the second attempt; it doubles with each further one. */
  retrySeconds?: number
}

export interface WorkerParts {
  link: NatsLink
  engine: Engine
  log: Log
  metrics: Metrics
}

export interface Worker {
  /** Takes no more jobs, finishes those that are running, or hands them over when the time is up. */
  close(): Promise<void>
}

/** Starts to take jobs; waits for the queue where it does not exist yet. */
export function openWorker(parts: WorkerParts, settings: WorkerSettings): Worker {
  const worker = new QueueWorker(parts, settings)
  const done = worker.work()
  const unsubscribe = worker.listenForCancellations()
  return {
    async close() {
      worker.draining.abort()
      const deadline = setTimeout(() => worker.handOver(), settings.drainSeconds * 1000)
      await done
      clearTimeout(deadline)
      unsubscribe()
    },
  }
}

/** The longest pause between two attempts; and where a model server has asked for a longer one. */
const MAX_RETRY_SECONDS = 30
const MAX_RETRY_AFTER_SECONDS = 300

class QueueWorker {
  readonly draining = new AbortController()
  readonly #parts: WorkerParts
  readonly #settings: WorkerSettings
  readonly #running = new Map<string, AbortController>()

  constructor(parts: WorkerParts, settings: WorkerSettings) {
    this.#parts = parts
    this.#settings = settings
  }

  /** Takes jobs, as many at once as the engine can run, until it is stopped: with one request for each slot, as the relay counts them. */
  async work(): Promise<void> {
    const { engine, log } = this.#parts
    const report = createStateLog(log, 'the queue')
    await Promise.all(Array.from({ length: engine.concurrency }, () => this.#fillSlot(report)))
  }

  #fillSlot(report: ReportState): Promise<void> {
    const { link } = this.#parts
    return consume({
      link,
      stream: 'INFERENCE',
      consumer: WORKERS_CONSUMER,
      concurrency: 1,
      stop: this.draining.signal,
      workingMs: this.#beatSeconds * 1000,
      confirmed: true,
      handle: (delivery) => this.#serve(delivery),
      report,
    })
  }

  /** The events are a shortcut: what is missed here is found in the token log. */
  listenForCancellations(): () => void {
    const { link, log } = this.#parts
    return link.subscribe(eventSubject('*', 'io.kgents.job.cancelled'), (error, message) => {
      if (error) return log.warn({ err: error }, 'cannot receive cancellations of jobs at once')
      const [, tenant = ''] = message.subject.split('.')
      this.#running.get(`${tenant} ${readJobId(message)}`)?.abort(new Stopped('closed'))
    })
  }

  /** Stops what is still running, for another worker to continue. */
  handOver(): void {
    for (const stop of this.#running.values()) stop.abort(new Stopped('draining'))
  }

  async #serve(delivery: Delivery): Promise<void> {
    const { metrics, log } = this.#parts
    const job = readJob(delivery.data)
    if (job === undefined) {
      log.error({ bytes: delivery.data.length }, 'dropped a message that is not a job')
      return void (await delivery.term('not a job'))
    }
    const age = delivery.attempt === 1 ? ageOf(job.job) : undefined
    metrics.begin(age === undefined ? undefined : age / 1000)
    const { traceId } = readTraceparent(job.traceparent)
    const jobLog = log.child({
      job: job.job,
      tenant: job.tenant,
      path: job.path,
      attempt: delivery.attempt,
      trace: traceId,
    })
    metrics.end(await this.#attempt(job, delivery, jobLog))
  }

  get #beatSeconds(): number {
    return this.#settings.ackWaitSeconds / 3
  }

  /** Runs one attempt and reports its outcome to JetStream; the answer is a word for the metrics. */
  async #attempt(job: JobMessage, delivery: Delivery, log: Log): Promise<string> {
    const stop = new AbortController()
    const key = `${job.tenant} ${job.job}`
    this.#running.set(key, stop)
    try {
      const report = await runJob(job, {
        ...this.#parts,
        log,
        attempt: delivery.attempt,
        stop,
        checkSeconds: this.#beatSeconds,
        stallSeconds: this.#settings.stallSeconds,
      })
      await delivery.ack()
      log.info(report, 'job completed')
      return 'completed'
    } catch (error) {
      return await this.#settle(job, delivery, stop.signal.aborted ? stop.signal.reason : error, log)
    } finally {
      this.#running.delete(key)
    }
  }

  async #settle(job: JobMessage, delivery: Delivery, error: unknown, log: Log): Promise<string> {
    if (error instanceof Stopped) {
      if (error.reason === 'closed') return this.#drop(job, delivery, log)
      if (error.reason === 'draining') await delivery.nak()
      // Superseded: the delivery of the other worker decides.
      log.info({ reason: error.reason }, 'job stopped')
      return error.reason
    }
    const isFinal = error instanceof EngineFailure && !error.retry
    if (isFinal || delivery.attempt >= JOB_ATTEMPTS) return this.#giveUp(job, delivery, error, log)
    const { retrySeconds = 1 } = this.#settings
    const asked = error instanceof EngineFailure ? error.retryAfterSeconds : 0
    const delaySeconds = Math.max(
      Math.min(retrySeconds * 2 ** (delivery.attempt - 1), MAX_RETRY_SECONDS),
      Math.min(asked, MAX_RETRY_AFTER_SECONDS),
    )
    log.warn({ err: error, delaySeconds }, 'job failed, to be tried again')
    await delivery.nak(delaySeconds * 1000)
    return 'retried'
  }

  /** Acknowledges a job that has ended, and reports what had been generated where it was cancelled. */
  async #drop(job: JobMessage, delivery: Delivery, log: Log): Promise<string> {
    const cancelled = await readCancelled(this.#parts.link, job).catch((error: unknown) => {
      log.warn({ err: error }, 'cannot read what was generated of a cancelled job: its next delivery will')
      return 'unknown' as const
    })
    if (cancelled === 'unknown') return 'handed over'
    if (cancelled !== undefined) {
      const data = { job: job.job, reason: 'It was cancelled', ...cancelled, attempt: delivery.attempt }
      if (!(await this.#storeFailure(job, data, log))) return 'handed over'
    }
    await delivery.ack()
    log.info({ reason: 'closed', tokens: cancelled?.tokens }, 'job stopped')
    return 'closed'
  }

  async #giveUp(job: JobMessage, delivery: Delivery, error: unknown, log: Log): Promise<string> {
    const known = error instanceof EngineFailure ? error : undefined
    const reason = known?.message ?? 'Cannot finish the answer: the worker failed'
    const code = known?.refused === true ? 'INFERENCE_REFUSED' : 'INFERENCE_FAILED'
    log.error({ err: error }, 'job failed for good')
    if (!(await this.#storeFailure(job, { job: job.job, reason, code, attempt: delivery.attempt }, log)))
      return 'handed over'
    await delivery.term('failed')
    return 'failed'
  }

  /** False where the worker had to go before it was stored: another one will say so. */
  async #storeFailure(job: JobMessage, data: InferenceFailure, log: Log): Promise<boolean> {
    const stop = new AbortController()
    this.#running.set(`${job.tenant} ${job.job}`, stop)
    try {
      const { link } = this.#parts
      await storeEvent(link, createResult(job, { type: 'failed', data }), { log, signal: stop.signal })
      return true
    } catch {
      return false
    }
  }
}

function readJob(data: Uint8Array): JobMessage | undefined {
  try {
    return JobMessage.parse(JSON.parse(Buffer.from(data).toString()))
  } catch {
    return undefined
  }
}

function readJobId(message: Parameters<typeof fromNats>[0]): string {
  try {
    const { data } = fromNats(message)
    return String((data as { job?: unknown } | null)?.job)
  } catch {
    return ''
  }
}
