/**
 * A NATS server of its own for one test file, with the platform's users, streams and permissions, and what a test
 * needs to queue jobs and see what became of them. The workers get 3 seconds to show a sign of life.
 */
import { randomUUID } from 'node:crypto'
import { NatsError, type NatsConnection, type StoredMsg } from 'nats'
import { test as base } from 'vitest'
import { inboxPrefixOf, openNats } from '../../../shared/nats/connect.ts'
import { ensureStreams } from '../../../shared/nats/ensure-streams.ts'
import { fromNats, isEventMessage, toNats } from '../../../shared/nats/event-message.ts'
import { eventSubject, inferenceSubject, tokensSubject } from '../../../shared/nats/subjects.ts'
import type { Engine } from '../../../gpu-workers/engines/engine.ts'
import { openNatsLink } from '../../../shared/nats/link.ts'
import { createMetrics, type Metrics } from '../../../gpu-workers/metrics.ts'
import { openWorker, type Worker, type WorkerSettings } from '../../../gpu-workers/worker.ts'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { startNats, type NatsServer } from '../../../knative/local/servers/nats.ts'
import { cacheFolder } from '../../../knative/local/servers/wheels.ts'
import { createEvent, deriveResultKey, verifyEvent, type KgentsEvent } from '../../../shared/events/event.ts'
import {
  TokenMessage,
  type ChatRequest,
  type EmbedRequest,
  type JobMessage,
} from '../../../shared/inference/messages.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { eventually } from '../../eventually.ts'
import { makeStateFolder, natsLogins } from '../servers.ts'

export const ACK_WAIT_SECONDS = 3

/** The key that only functions hold: results are signed with keys derived from it. */
const PLATFORM_KEY = Buffer.from('a platform key of thirty-2 bytes').toString('base64url')

export interface World {
  readonly nats: NatsServer
  /** Connected as the relay, which may do what a test has to. */
  readonly nc: NatsConnection
  /** Makes the streams and the consumer, as the relay does when it starts and when NATS is back. */
  prepare(ackWaitSeconds?: number): Promise<void>
  /** Ends NATS as a crash would, and starts it on the same folder and port; what is in memory is lost. */
  restartNats(options?: { meanwhile?: () => void; prepare?: boolean }): Promise<void>
  openWorker(engine: Engine, settings?: Partial<WorkerSettings>): Promise<Worker & { metrics: Metrics }>
  queue(request?: Partial<ChatRequest> | EmbedRequest): Promise<JobMessage>
  publishJob(job: JobMessage): Promise<void>
  /** The messages in the token log, oldest first; the closing event is left out. */
  tokensOf(job: JobMessage): Promise<TokenMessage[]>
  /** The job's result, its signature checked; undefined while there is none. */
  resultOf(job: JobMessage, type?: 'completed' | 'failed'): Promise<KgentsEvent | undefined>
  /** All results of the job with this type. */
  countResults(job: JobMessage, type: 'started' | 'completed' | 'failed'): Promise<number>
  /** Publishes what a function emits when a job is cancelled. */
  cancel(job: JobMessage): Promise<void>
  /** Closes the token log only, as if the event on the bus had not been heard. */
  close(job: JobMessage, type: 'completed' | 'cancelled'): Promise<void>
  /** Jobs that are in the queue, running ones included. */
  countQueued(): Promise<number>
}

export const test = base.extend<{ world: World }>({
  world: [
    // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
    async ({}, use) => {
      const { state, remove } = await makeStateFolder()
      const world = new WorkerWorld(state)
      await world.start()
      await use(world)
      await world.stop()
      await remove()
    },
    { scope: 'file' },
  ],
})

class WorkerWorld implements World {
  readonly #state: string
  readonly #logins = natsLogins()
  #ports: number[] = []
  #nats: NatsServer | undefined
  #nc: NatsConnection | undefined
  readonly #closers: (() => Promise<void>)[] = []

  constructor(state: string) {
    this.#state = state
  }

  get nats(): NatsServer {
    return assigned(this.#nats)
  }

  get nc(): NatsConnection {
    return assigned(this.#nc)
  }

  async start(): Promise<void> {
    this.#ports = await findFreePorts(2)
    this.#nats = await this.#startNats()
    this.#nc = await openNats(this.nats.urlOf('relay'), 'test', { inboxPrefix: inboxPrefixOf('relay') })
  }

  async stop(): Promise<void> {
    await Promise.all(this.#closers.map((close) => close()))
    await this.nc.close()
    await this.nats.stop()
  }

  #startNats(): Promise<NatsServer> {
    const [port = 0, monitoringPort = 0] = this.#ports
    const cache = cacheFolder(process.env)
    return startNats({
      state: this.#state,
      port,
      monitoringPort,
      ...this.#logins,
      env: process.env,
      cache,
    })
  }

  async prepare(ackWaitSeconds = ACK_WAIT_SECONDS): Promise<void> {
    await ensureStreams(this.nc, { ackWaitSeconds })
  }

  async restartNats({ meanwhile = () => {}, prepare = true } = {}): Promise<void> {
    await this.nats.kill()
    meanwhile()
    this.#nats = await this.#startNats()
    await eventually(() => this.nc.flush())
    if (prepare) await this.prepare()
  }

  async openWorker(engine: Engine, settings: Partial<WorkerSettings> = {}) {
    const link = openNatsLink(this.nats.urlOf('gpu-worker'), 'gpu-worker')
    const metrics = createMetrics()
    const log = createLog('test', process.env['LOG_LEVEL'] ?? 'silent')
    const worker = openWorker(
      { link, engine, log, metrics },
      {
        ackWaitSeconds: ACK_WAIT_SECONDS,
        drainSeconds: 0,
        stallSeconds: 30,
        retrySeconds: 0.05,
        ...settings,
      },
    )
    let closed: Promise<void> | undefined
    const close = () => (closed ??= worker.close().then(() => link.close()))
    this.#closers.push(close)
    return { metrics, close }
  }

  async queue(request: Partial<ChatRequest> | EmbedRequest = {}): Promise<JobMessage> {
    const [tenant, job] = [randomUUID(), randomUUID()]
    const message: JobMessage = {
      job,
      tenant,
      function: 'self-soul',
      path: 'self.soul.dialogue',
      request:
        'texts' in request
          ? request
          : { messages: [{ role: 'user', content: 'Hi' }], maxTokens: 64, temperature: 0, ...request },
      resultKey: deriveResultKey(PLATFORM_KEY, tenant, job),
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    }
    await this.publishJob(message)
    return message
  }

  async publishJob(job: JobMessage): Promise<void> {
    await this.nc.jetstream().publish(inferenceSubject(job.tenant, job.job), JSON.stringify(job))
  }

  async tokensOf(job: JobMessage): Promise<TokenMessage[]> {
    const stored = await this.#read('TOKENS', tokensSubject(job.tenant, job.job))
    return stored
      .filter((message) => !isEventMessage(message))
      .map((message) => TokenMessage.parse(message.json()))
  }

  async resultOf(
    job: JobMessage,
    type: 'completed' | 'failed' = 'completed',
  ): Promise<KgentsEvent | undefined> {
    const [stored] = await this.#read('EVENTS', eventSubject(job.tenant, `io.kgents.inference.${type}`))
    if (stored === undefined) return undefined
    const event = fromNats(stored)
    verifyEvent(event, PLATFORM_KEY)
    return event
  }

  async countResults(job: JobMessage, type: 'started' | 'completed' | 'failed'): Promise<number> {
    const stored = await this.#read('EVENTS', eventSubject(job.tenant, `io.kgents.inference.${type}`))
    return stored.length
  }

  async cancel(job: JobMessage): Promise<void> {
    const { headers, payload } = toNats(closingOf(job, 'cancelled'))
    const subject = eventSubject(job.tenant, 'io.kgents.job.cancelled')
    await this.nc.jetstream().publish(subject, payload, { headers })
  }

  async close(job: JobMessage, type: 'completed' | 'cancelled'): Promise<void> {
    const { headers, payload } = toNats(closingOf(job, type))
    await this.nc.jetstream().publish(tokensSubject(job.tenant, job.job), payload, { headers })
  }

  async countQueued(): Promise<number> {
    const manager = await this.nc.jetstreamManager({ checkAPI: false })
    return (await manager.streams.info('INFERENCE')).state.messages
  }

  /** The messages of one subject, oldest first; few enough to be read one by one. */
  async #read(stream: string, subject: string): Promise<StoredMsg[]> {
    const { streams } = await this.nc.jetstreamManager({ checkAPI: false })
    const messages: StoredMsg[] = []
    for (let seq = 1; ; seq = (messages.at(-1)?.seq ?? 0) + 1) {
      const query = { seq, next_by_subj: subject }
      try {
        messages.push(await streams.getMessage(stream, query))
      } catch (error) {
        if (error instanceof NatsError && error.api_error?.code === 404) return messages
        throw error
      }
    }
  }
}

function closingOf(job: JobMessage, status: 'completed' | 'cancelled'): KgentsEvent {
  return createEvent(
    {
      source: '/functions/jobs',
      type: `io.kgents.job.${status}`,
      tenant: job.tenant,
      subject: job.job,
      data: { job: job.job, path: job.path, status },
    },
    PLATFORM_KEY,
  )
}

function assigned<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('Cannot use the world before it was started')
  return value
}
