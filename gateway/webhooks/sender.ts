/**
 * The sender: one consumer loop for each consumer of a subscription. Which there are is read from JetStream, when the relay
 * hints that it has changed something, when NATS was unavailable, and now and then.
 */
import type { ConsumerInfo, JetStreamManager } from 'nats'
import { SINK_GROUP, SINK_PREFIX, SinkMetadata, SINKS_CHANGED } from '../../shared/events/webhook.ts'
import { consume } from '../../shared/nats/consume.ts'
import { pause } from '../../shared/pause.ts'
import type { NatsLink } from '../../shared/nats/link.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { attempt, type Sink } from './attempt.ts'
import type { Deliver } from './deliver.ts'
import type { WebhookMetrics } from './metrics.ts'
import { createHealth, createReports, type PublishReport } from './reports.ts'

const STREAMS = ['AGENTESE', 'EVENTS'] as const
const READ_INTERVAL_MS = 30_000
/** After trouble with NATS. */
const RETRY_MS = 1000
/** Attempts of one loop at once, so that events reach a sink in their order. A sink that hangs holds up nobody else. */
const CONCURRENCY = 1

/** How often a message that waits for its sink is reported as in progress. */
const WORKING_MS = 20_000

export interface SenderOptions {
  link: NatsLink
  /** Key that the secrets of subscriptions, and of reports, are derived from. */
  key: string
  deliver: Deliver
  /** Seconds between attempts. */
  schedule: readonly number[]
  metrics: WebhookMetrics
  log: Log
}

export interface Sender {
  readonly connected: boolean
  readonly sinks: number
  /** Finishes what is under way within `graceMs`, gives back the rest, and disconnects. */
  close(graceMs: number): Promise<void>
}

interface Loop {
  /** Takes no more; resolves when what is under way is done. */
  close(): Promise<void>
}

interface OpenSink {
  sink: Sink
  /** By the name of the stream. */
  loops: Map<string, Loop>
  stop: AbortController
}

export const createSender = (options: SenderOptions): Sender => new WebhookSender(options)

class WebhookSender implements Sender {
  readonly #options: SenderOptions
  readonly #report: PublishReport
  readonly #open = new Map<string, OpenSink>()
  readonly #closing = new AbortController()
  #hinted = Promise.withResolvers<void>()

  constructor(options: SenderOptions) {
    const { link, key, log } = options
    this.#options = options
    this.#report = createReports(link, key)
    link.subscribe(SINKS_CHANGED, () => this.#hinted.resolve())
    link.watch(() => this.#hinted.resolve())
    this.#run().catch((error: unknown) => log.error({ err: error }, 'unhandled error: the sender has ended'))
  }

  get connected(): boolean {
    return this.#options.link.nc !== undefined
  }

  get sinks(): number {
    return this.#open.size
  }

  async close(graceMs: number): Promise<void> {
    this.#closing.abort()
    const loops = [...this.#open.values()].flatMap((sink) => [...sink.loops.values()])
    const closed = Promise.all(loops.map((loop) => loop.close()))
    const late = setTimeout(() => {
      for (const { stop } of this.#open.values()) stop.abort()
    }, graceMs)
    await closed
    clearTimeout(late)
    for (const { sink } of this.#open.values()) sink.health.close()
    await this.#options.link.close()
  }

  async #run(): Promise<void> {
    const { link, log } = this.#options
    const closing = this.#closing.signal
    while ((await link.ready(closing)) !== undefined && !closing.aborted) {
      let interval = READ_INTERVAL_MS
      this.#hinted = Promise.withResolvers<void>()
      try {
        await this.#arrangeAll()
      } catch (error) {
        log.debug({ err: error }, 'the list of consumers could not be read')
        interval = RETRY_MS
      }
      const timer = new AbortController()
      await Promise.race([pause(interval, AbortSignal.any([timer.signal, closing])), this.#hinted.promise])
      timer.abort()
    }
  }

  async #arrangeAll(): Promise<void> {
    const { link, log } = this.#options
    const found = await readSinks(await link.manager(), log)
    for (const [id, { metadata, streams }] of found) {
      const known = this.#open.get(id) ?? this.#openSink(metadata)
      this.#open.set(id, known)
      // What is reported of a sink that is gone is reported of the one that it is from now on.
      if (known.sink.metadata.revision !== metadata.revision)
        Object.assign(known.sink, { metadata, gone: false, quietUntil: 0 })
      for (const stream of STREAMS) this.#arrange(known, stream, streams.has(stream))
    }
    for (const [id, { loops, stop, sink }] of this.#open) {
      if (found.has(id)) continue
      this.#open.delete(id)
      stop.abort()
      sink.health.close()
      for (const loop of loops.values()) void loop.close()
    }
  }

  #openSink(metadata: SinkMetadata): OpenSink {
    const stop = new AbortController()
    const { subscription } = metadata
    const health = createHealth((what, data) => this.#report(sink.metadata, what, { subscription, ...data }))
    const sink: Sink = { metadata, health, signal: stop.signal, gone: false, quietUntil: 0 }
    return { sink, loops: new Map(), stop }
  }

  #arrange({ sink, loops }: OpenSink, stream: string, isWanted: boolean): void {
    const loop = loops.get(stream)
    if (isWanted === (loop !== undefined)) return
    if (isWanted) loops.set(stream, this.#openLoop(sink, stream))
    else {
      loops.delete(stream)
      void loop?.close()
    }
  }

  #openLoop(sink: Sink, stream: string): Loop {
    const { link, deliver, schedule, metrics, log } = this.#options
    const ending = new AbortController()
    const consumer = `${SINK_PREFIX}${sink.metadata.subscription}`
    const done = consume({
      link,
      stream,
      consumer,
      concurrency: CONCURRENCY,
      group: SINK_GROUP,
      stop: ending.signal,
      handle: (delivery) =>
        attempt(sink, delivery, { deliver, report: this.#report, schedule, metrics, log }, ending.signal),
      workingMs: WORKING_MS,
      report(state, error) {
        // Interrupted where the consumer is gone: then this loop is closed when the list is read again.
        if (state === 'fails and is tried again') log.error({ err: error, consumer }, 'unhandled error')
        else log.debug({ err: error, consumer, stream }, `a consumer loop: ${state}`)
      },
    })
    return {
      close() {
        ending.abort()
        return done
      },
    }
  }
}

/** The subscriptions that have consumers, with the streams on which they have one. */
async function readSinks(manager: JetStreamManager, log: Log) {
  const found = new Map<string, { metadata: SinkMetadata; streams: Set<string> }>()
  for (const stream of STREAMS) {
    for await (const info of manager.consumers.list(stream)) {
      const metadata = readMetadata(info, log)
      if (metadata === undefined) continue
      const known = found.get(metadata.subscription) ?? { metadata, streams: new Set() }
      known.streams.add(stream)
      found.set(metadata.subscription, known)
    }
  }
  return found
}

function readMetadata({ name, config }: ConsumerInfo, log: Log): SinkMetadata | undefined {
  if (!name.startsWith(SINK_PREFIX)) return undefined
  const metadata = SinkMetadata.safeParse(config.metadata)
  if (metadata.success && name === `${SINK_PREFIX}${metadata.data.subscription}`) return metadata.data
  log.warn({ consumer: name }, 'a consumer of a webhook cannot be read')
  return undefined
}
