/**
 * The sender: one pair of lanes for each subscription that has consumers. Which there are is read from JetStream, when the
 * relay hints that it has changed something, when NATS was away, and now and then.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Events, type ConsumerInfo, type JetStreamManager, type NatsConnection } from 'nats'
import { SINK_PREFIX, SinkMetadata, SINKS_CHANGED } from '../../shared/events/webhook.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { attempt, type Sink } from './attempt.ts'
import type { Deliver } from './deliver.ts'
import { openLane, type Lane } from './lane.ts'
import type { WebhookMetrics } from './metrics.ts'
import { createHealth, createReports } from './reports.ts'

const STREAMS = ['AGENTESE', 'EVENTS'] as const
const LOOK_MILLISECONDS = 30_000
/** After trouble with NATS. */
const AGAIN_MILLISECONDS = 1000

export interface SenderOptions {
  /** The connection, which may be long in coming. */
  nats: Promise<NatsConnection>
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

interface OpenSink {
  sink: Sink
  lanes: Map<string, Lane>
  stop: AbortController
}

export function createSender({ nats, key, deliver, schedule, metrics, log }: SenderOptions): Sender {
  const open = new Map<string, OpenSink>()
  const closing = new AbortController()
  let connected = false
  let connection: NatsConnection | undefined
  let hinted = Promise.withResolvers<void>()

  async function run(nc: NatsConnection): Promise<void> {
    connected = true
    connection = nc
    void watch(nc)
    nc.subscribe(SINKS_CHANGED, { callback: () => hinted.resolve() })
    const manager = await nc.jetstreamManager({ checkAPI: false })
    const report = createReports(() => nc.jetstream(), key)

    async function look(): Promise<void> {
      const found = await readSinks(manager, log)
      for (const [id, { metadata, streams }] of found) {
        const known = open.get(id) ?? openSink(metadata)
        open.set(id, known)
        // What is told of a sink that is gone is told of the one that it is from now on.
        if (known.sink.metadata.revision !== metadata.revision)
          Object.assign(known.sink, { metadata, gone: false })
        for (const stream of STREAMS) arrange(known, stream, streams.has(stream), nc)
      }
      for (const [id, { lanes, stop, sink }] of open) {
        if (found.has(id)) continue
        open.delete(id)
        stop.abort()
        sink.health.close()
        for (const lane of lanes.values()) void lane.close()
      }
    }

    function openSink(metadata: SinkMetadata): OpenSink {
      const stop = new AbortController()
      const { subscription } = metadata
      const health = createHealth((what, data) => report(sink.metadata, what, { subscription, ...data }))
      const sink: Sink = { metadata, health, signal: stop.signal, gone: false }
      return { sink, lanes: new Map(), stop }
    }

    function arrange({ sink, lanes }: OpenSink, stream: string, wanted: boolean, nc: NatsConnection): void {
      const lane = lanes.get(stream)
      if (!wanted && lane !== undefined) {
        lanes.delete(stream)
        void lane.close()
      }
      if (!wanted || lane !== undefined) return
      const consumer = `${SINK_PREFIX}${sink.metadata.subscription}`
      const options = { deliver, report, schedule, metrics, log }
      const handle = (message: Parameters<typeof attempt>[1]) => attempt(sink, message, options)
      lanes.set(stream, openLane({ js: nc.jetstream(), stream, consumer, handle, log }))
    }

    while (!closing.signal.aborted) {
      let again = LOOK_MILLISECONDS
      hinted = Promise.withResolvers<void>()
      try {
        await look()
      } catch (error) {
        log.debug({ err: error }, 'the list of consumers could not be read')
        again = AGAIN_MILLISECONDS
      }
      const timer = new AbortController()
      const slept = pause(again, undefined, { signal: AbortSignal.any([timer.signal, closing.signal]) })
      await Promise.race([slept.catch(() => {}), hinted.promise])
      timer.abort()
    }
  }

  async function watch(nc: NatsConnection): Promise<void> {
    for await (const { type } of nc.status()) {
      if (type === Events.Disconnect) connected = false
      if (type === Events.Reconnect) {
        connected = true
        for (const { lanes } of open.values()) for (const lane of lanes.values()) lane.askAgain()
        hinted.resolve()
      }
    }
  }

  const running = nats.then((nc) => (closing.signal.aborted ? undefined : run(nc)))
  running.catch((error: unknown) => log.error({ err: error }, 'the sender ended by a bug'))
  return {
    get connected() {
      return connected
    },
    get sinks() {
      return open.size
    },
    async close(graceMs) {
      closing.abort()
      const lanes = [...open.values()].flatMap(({ lanes }) => [...lanes.values()])
      const closed = Promise.all(lanes.map((lane) => lane.close()))
      const late = setTimeout(() => {
        for (const { stop } of open.values()) stop.abort()
      }, graceMs)
      await closed
      clearTimeout(late)
      for (const { sink } of open.values()) sink.health.close()
      if (connection === undefined || connection.isClosed()) return
      await (connected ? connection.drain() : connection.close())
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
