/** Open streams: their events, heartbeats and ends. */
import { Failure } from '../../../shared/failures.ts'
import { writeEventMessage } from '../../../shared/http/event-message.ts'
import { SUBSCRIPTION_PATH } from '../../../shared/events/subscription-stream.ts'
import type { SubscriptionTerms } from '../../../shared/events/subscription.ts'
import type { Log } from '../../../shared/telemetry/log.ts'
import type { Client } from '../client.ts'
import type { Revocations } from '../revocations.ts'
import type { NatsLink } from '../../../shared/nats/link.ts'
import { ClientStream } from './client-stream.ts'
import { watchCredential } from './credential-watch.ts'
import type { DurableConsumers } from './durable-consumers.ts'
import { deliver } from './durable-subscription.ts'
import { createEventFeeds, type EventFeeds } from './event-feeds.ts'
import { LiveSubscription } from './live-subscription.ts'
import type { SubscriptionMetrics } from './metrics.ts'
import type { Origin } from './replay.ts'
import type { Wanted } from './wanted.ts'

export interface StreamingTimes {
  heartbeatMs: number
  /** Between questions whether a credential is still good. */
  recheckMs: number
  /** After which a client that reads nothing is cut off. */
  stalledMs: number
}

export interface StreamingOptions {
  link: NatsLink
  log: Log
  metrics: SubscriptionMetrics
  consumers: DurableConsumers
  revocations: Revocations
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

export const createStreaming = (options: StreamingOptions): Streaming => new OpenStreams(options)

class OpenStreams implements Streaming {
  readonly #options: StreamingOptions
  readonly #feeds: EventFeeds
  readonly #streams = new Set<OpenStream>()

  constructor(options: StreamingOptions) {
    this.#options = options
    this.#feeds = createEventFeeds(options.link, options.log)
  }

  checkRoom(tenant: string): void {
    const open = [...this.#streams].filter((each) => each.tenant === tenant).length
    if (open < MAX_PER_TENANT) return
    throw new Failure('QUOTA_EXCEEDED', `Cannot open another stream: your tenant has ${open} here`, {
      suggestion: 'Close one, or follow several patterns in one stream',
      retryAfterSeconds: 30,
    })
  }

  async open(client: Client, granted: Granted): Promise<void> {
    const { times, metrics } = this.#options
    const { terms } = granted
    const stopping = new AbortController()
    const signal = AbortSignal.any([client.left, stopping.signal])
    const out = new ClientStream({
      response: client.response,
      buffer: terms.buffer,
      stalledMs: times.stalledMs,
      onDropped: (count) => metrics.dropped('buffer_full', count),
    })
    const delivering = await this.#startDelivering(granted, out, signal)
    if (signal.aborted) return delivering.stop()
    out.start(writeEventMessage({ event: 'subscribed', data: presented(granted) }))
    this.#keep(client, granted, delivering, {
      tenant: terms.tenant,
      signal,
      end(failure) {
        stopping.abort()
        out.end(failure)
      },
    })
  }

  end(): void {
    for (const stream of this.#streams) stream.end()
  }

  /** Until the client has left or the stream is ended. */
  #keep(
    { request }: Client,
    { terms, ask }: Granted,
    delivering: Delivering,
    stream: OpenStream & { signal: AbortSignal },
  ): void {
    const { times, metrics, revocations } = this.#options
    const beating = setInterval(() => delivering.beat(), times.heartbeatMs)
    const unwatch = watchCredential({
      headers: request.headers,
      recheckMs: times.recheckMs,
      ask,
      onEnd: (failure) => stream.end(failure),
      onRevoked: (check) => revocations.watch(terms.tenant, check),
    })
    const release = () => {
      delivering.stop()
      clearInterval(beating)
      unwatch()
      this.#streams.delete(stream)
      metrics.closed(terms.delivery)
    }
    this.#streams.add(stream)
    metrics.opened(terms.delivery)
    stream.signal.addEventListener('abort', release, { once: true })
    void delivering.run().then((failure) => {
      if (failure !== undefined) stream.end(failure)
    })
  }

  /** Resolves when everything that happens from then on will be delivered. */
  async #startDelivering(granted: Granted, stream: ClientStream, signal: AbortSignal): Promise<Delivering> {
    const { link, log, metrics, consumers } = this.#options
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
    const joined = await this.#feeds.join(tenant, live)
    return {
      async run() {
        await live.catchUp()
        return undefined
      },
      beat: () => live.beat(joined),
      stop: () => joined.leave(),
    }
  }
}

/** One way of delivery at work. */
interface Delivering {
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
