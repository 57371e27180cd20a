/**
 * Ends jobs that were delivered as often as they may be and still not acknowledged.
 *
 * JetStream leaves such a job in `INFERENCE` and says so once, in an advisory that is gone if nobody listens. So
 * the advisories are kept in a work queue of their own: no relay needs to be up when a job dies, and each
 * advisory stays until the job's failure is stored and the job is out of the way.
 */
import { RetentionPolicy, StorageType, type NatsConnection, type StoredMsg } from 'nats'
import { z } from 'zod'
import { ensureConsumer, ensureStream } from '../../shared/nats/ensure-streams.ts'
import { STREAMS, WORKERS_CONSUMER } from '../../shared/nats/streams.ts'
import { orUndefined } from '../../shared/nats/or-undefined.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import type { Delivery } from '../../shared/nats/delivery.ts'
import { readJob, writeInferenceFailed } from './inference-failed.ts'
import type { Metrics } from './metrics.ts'
import { createStateLog } from '../../shared/telemetry/state-log.ts'
import type { StreamLink } from './stream-link.ts'

const STREAM = 'DEAD_LETTERS'
const CONSUMER = 'relay'
const ADVISORIES = `$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.INFERENCE.${WORKERS_CONSUMER}`

const Advisory = z.object({ stream_seq: z.int(), deliveries: z.int() })

/** Creates the stream that keeps the advisories. */
export async function ensureDeadLetters(nc: NatsConnection, replicas: number): Promise<void> {
  const manager = await nc.jetstreamManager()
  await ensureStream(manager, {
    name: STREAM,
    subjects: [ADVISORIES],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    max_age: STREAMS.INFERENCE.maxAgeSeconds * 1e9,
    num_replicas: replicas,
  })
  await ensureConsumer(manager, STREAM, { durable_name: CONSUMER, ack_wait: 10e9 })
}

export interface DeadLetterOptions {
  link: StreamLink
  log: Log
  metrics: Metrics
  stop: AbortSignal
}

/** Ends dead jobs until `stop` aborts. */
export async function deadLetterJobs({ link, log, metrics, stop }: DeadLetterOptions): Promise<void> {
  const report = createStateLog(log, 'dead-lettering of jobs')

  async function handle(message: Delivery): Promise<void> {
    const advisory = Advisory.parse(message.json())
    const manager = await link.nats.manager()
    // Absent where the job was acknowledged after all, or dead-lettered before.
    const stored = await orUndefined(manager.streams.getMessage('INFERENCE', { seq: advisory.stream_seq }))
    if (stored !== undefined) {
      await publishFailure(stored, advisory.deliveries)
      await manager.streams.deleteMessage('INFERENCE', stored.seq)
      metrics.add('relay_dead_letters_total')
      log.error({ subject: stored.subject, deliveries: advisory.deliveries }, 'A job is given up')
    }
    await message.ack()
  }

  async function publishFailure(stored: StoredMsg, deliveries: number): Promise<void> {
    const job = readJob(stored.string())
    // Nobody could finish it and nobody can answer for it: it names neither tenant nor key.
    if (job === undefined)
      return log.error({ subject: stored.subject }, 'A job that is given up cannot be read')
    const reason = `no worker finished it in ${deliveries} attempts`
    const [error] = await link.publishAll([writeInferenceFailed(job, reason, deliveries)])
    if (error !== undefined) throw error
  }

  await link.consume({
    stream: STREAM,
    consumer: CONSUMER,
    concurrency: 4,
    stop,
    handle,
    report,
  })
}
