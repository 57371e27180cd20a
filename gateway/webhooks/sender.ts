/**
 * The sender: one consumer loop for each consumer of a subscription. Which there are is read from JetStream, when the relay
 * hints that it has changed something, when NATS was unavailable, and now and then.
 */
import type { ConsumerInfo, JetStreamManager } from 'nats'
import { SINK_PREFIX, SinkMetadata, SINKS_CHANGED } from '../../shared/events/webhook.ts'
import { consume } from '../../shared/nats/consume.ts'
import { pause } from '../../shared/pause.ts'
import type { NatsLink } from '../../shared/nats/link.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { attempt, type Sink } from './attempt.ts'
import type { Deliver } from './deliver.ts'
import type { WebhookMetrics } from './metrics.ts'
import { createHealth, createReports } from './reports.ts'

const STREAMS = ['AGENTESE', 'EVENTS'] as const
const LOOK_INTERVAL_MS = 30_000
/** After trouble with NATS. */
const RETRY_MS = 1000
/** Attempts of one loop at once: each has its own few, so a sink that hangs holds up nobody else. */
const CONCURRENCY = 4

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

export function createSender({ link, key, deliver, schedule, metrics, log }: SenderOptions): Sender {
  const open = new Map<string, OpenSink>()
  const closing = new AbortController()
  const report = createReports(link, key)
  let hinted = Promise.withResolvers<void>()
  link.subscribe(SINKS_CHANGED, () => hinted.resolve())
  link.watch(() => hinted.resolve())

  async function look(): Promise<void> {
    const found = await readSinks(await link.manager(), log)
    for (const [id, { metadata, streams }] of found) {
      const known = open.get(id) ?? openSink(metadata)
      open.set(id, known)
      // What is reported of a sink that is gone is reported of the one that it is from now on.
      if (known.sink.metadata.revision !== metadata.revision)
        Object.assign(known.sink, { metadata, gone: false })
      for (const stream of STREAMS) arrange(known, stream, streams.has(stream))
    }
    for (const [id, { loops, stop, sink }] of open) {
      if (found.has(id)) continue
      open.delete(id)
      stop.abort()
      sink.health.close()
      for (const loop of loops.values()) void loop.close()
    }
  }

  function openSink(metadata: SinkMetadata): OpenSink {
    const stop = new AbortController()
    const { subscription } = metadata
    const health = createHealth((what, data) => report(sink.metadata, what, { subscription, ...data }))
    const sink: Sink = { metadata, health, signal: stop.signal, gone: false }
    return { sink, loops: new Map(), stop }
  }

  function arrange({ sink, loops }: OpenSink, stream: string, isWanted: boolean): void {
    const loop = loops.get(stream)
    if (isWanted === (loop !== undefined)) return
    if (isWanted) loops.set(stream, openLoop(sink, stream))
    else {
      loops.delete(stream)
      void loop?.close()
    }
  }

  function openLoop(sink: Sink, stream: string): Loop {
    const ending = new AbortController()
    const consumer = `${SINK_PREFIX}${sink.metadata.subscription}`
    const done = consume({
      link,
      stream,
      consumer,
      concurrency: CONCURRENCY,
      stop: ending.signal,
      handle: (delivery) => attempt(sink, delivery, { deliver, report, schedule, metrics, log }),
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

  async function run(): Promise<void> {
    while ((await link.ready(closing.signal)) !== undefined && !closing.signal.aborted) {
      let interval = LOOK_INTERVAL_MS
      hinted = Promise.withResolvers<void>()
      try {
        await look()
      } catch (error) {
        log.debug({ err: error }, 'the list of consumers could not be read')
        interval = RETRY_MS
      }
      const timer = new AbortController()
      await Promise.race([pause(interval, AbortSignal.any([timer.signal, closing.signal])), hinted.promise])
      timer.abort()
    }
  }

  run().catch((error: unknown) => log.error({ err: error }, 'unhandled error: the sender has ended'))
  return {
    get connected() {
      return link.nc !== undefined
    },
    get sinks() {
      return open.size
    },
    async close(graceMs) {
      closing.abort()
      const loops = [...open.values()].flatMap(({ loops }) => [...loops.values()])
      const closed = Promise.all(loops.map((loop) => loop.close()))
      const late = setTimeout(() => {
        for (const { stop } of open.values()) stop.abort()
      }, graceMs)
      await closed
      clearTimeout(late)
      for (const { sink } of open.values()) sink.health.close()
      await link.close()
    },
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
