/** Open streams: their events, heartbeats and ends. */
import { Failure } from '../../../shared/failures.ts'
import { SUBSCRIPTION_PATH } from '../../../shared/events/subscription-stream.ts'
import type { SubscriptionTerms } from '../../../shared/events/subscription.ts'
import type { Log } from '../../../shared/telemetry/log.ts'
import type { Client } from '../client.ts'
import type { NatsLink } from '../../../shared/nats/link.ts'
import { ClientStream, messageOf } from './client-stream.ts'
import { watchCredential } from './credential-watch.ts'
import type { DurableConsumers } from './durable-consumers.ts'
import { deliver } from './durable-subscription.ts'
import { createEventFeeds } from './event-feeds.ts'
import { LiveSubscription } from './live-subscription.ts'
import type { SubscriptionMetrics } from './metrics.ts'
import type { Origin } from './replay.ts'
import type { Wanted } from './wanted.ts'

export interface StreamingTimes {
  heartbeatMs: number
  /** Between questions whether an API key is still good. */
  recheckMs: number
  /** After which a client that reads nothing is cut off. */
  stalledMs: number
}

export interface StreamingOptions {
  link: NatsLink
  log: Log
  metrics: SubscriptionMetrics
  consumers: DurableConsumers
  times: StreamingTimes
}

/** What a client was granted. */
export interface Granted {
  terms: SubscriptionTerms
  wanted: Wanted
  /** Whether a subscription that was there before is gone on with. */
  resumed: boolean
  /** From where stored events come first, of an at-most-once subscription. */
  origin: Origin | undefined
  /** Asks again whether the client may stream; a failure is a no. */
  ask(): Promise<Failure | undefined>
}

export interface Streaming {
  /** @throws Failure QUOTA_EXCEEDED where the tenant has as many streams as it may */
  checkRoom(tenant: string): void
  open(client: Client, granted: Granted): Promise<void>
  /** Ends all streams. */
  end(): void
}

interface OpenStream {
  tenant: string
  /** @param failure why, where it is not just that the client may come again */
  end(failure?: Failure): void
}

/** What one tenant's clients may keep open at one hub. */
const MAX_PER_TENANT = 500

export function createStreaming({ link, log, metrics, consumers, times }: StreamingOptions): Streaming {
  const feeds = createEventFeeds(link, log)
  const streams = new Set<OpenStream>()

  function checkRoom(tenant: string): void {
    const open = [...streams].filter((each) => each.tenant === tenant).length
    if (open < MAX_PER_TENANT) return
    throw new Failure('QUOTA_EXCEEDED', `Cannot open another stream: your tenant has ${open} here`, {
      suggestion: 'Close one, or follow several patterns in one stream',
      retryAfterSeconds: 30,
    })
  }

  async function open(client: Client, granted: Granted): Promise<void> {
    const { terms } = granted
    const stopping = new AbortController()
    const signal = AbortSignal.any([client.left, stopping.signal])
    const out = new ClientStream({
      response: client.response,
      buffer: terms.buffer,
      stalledMs: times.stalledMs,
      onDropped: (count) => metrics.dropped('buffer_full', count),
    })
    const telling = await startTelling(granted, out, signal)
    if (signal.aborted) return telling.stop()
    out.start(messageOf('subscribed', presented(granted)))
    keep(client, granted, telling, {
      tenant: terms.tenant,
      signal,
      end(failure) {
        stopping.abort()
        out.end(failure)
      },
    })
  }

  /** Until the client has left or the stream is ended. */
  function keep(
    { request }: Client,
    { terms, ask }: Granted,
    telling: Telling,
    stream: OpenStream & { signal: AbortSignal },
  ): void {
    const beating = setInterval(() => telling.beat(), times.heartbeatMs)
    const unwatch = watchCredential({
      headers: request.headers,
      recheckMs: times.recheckMs,
      ask,
      onEnd: (failure) => stream.end(failure),
    })
    streams.add(stream)
    metrics.opened(terms.delivery)
    stream.signal.addEventListener('abort', release, { once: true })
    function release(): void {
      telling.stop()
      clearInterval(beating)
      unwatch()
      streams.delete(stream)
      metrics.closed(terms.delivery)
    }
    void telling.run().then((failure) => {
      if (failure !== undefined) stream.end(failure)
    })
  }

  /** Resolves when everything that happens from then on will be delivered. */
  async function startTelling(granted: Granted, stream: ClientStream, signal: AbortSignal): Promise<Telling> {
    const { terms, wanted, origin } = granted
    const shared = { wanted, stream, link, log, metrics, signal }
    if (terms.delivery === 'at-least-once') {
      return {
        run: () => deliver({ ...shared, id: terms.id, owner: terms, consumers }),
        beat: () => stream.beat(),
        stop: () => undefined,
      }
    }
    const { tenant, buffer } = terms
    const live = new LiveSubscription({ ...shared, tenant, buffer, origin })
    const joined = await feeds.join(tenant, live)
    return {
      async run() {
        await live.catchUp()
        return undefined
      },
      beat: () => live.beat(joined),
      stop: () => joined.leave(),
    }
  }

  return {
    checkRoom,
    open,
    end() {
      for (const stream of streams) stream.end()
    },
  }
}

/** One way of delivery at work. */
interface Telling {
  /** Resolves with the failure that ended it, if one did. */
  run(): Promise<Failure | undefined>
  beat(): void
  stop(): void
}

/** What a client receives about its subscription. */
function presented({ terms, resumed }: Granted) {
  const { id, archetype, patterns, aspects, types, delivery, buffer } = terms
  const self = `${SUBSCRIPTION_PATH}/${id}`
  return {
    event_type: 'subscribed',
    subscription: { id, archetype, patterns, aspects: aspects ?? null, types, delivery, buffer },
    ...(delivery === 'at-least-once' ? { resumed, links: { self, ack: `${self}/ack` } } : {}),
  }
}
