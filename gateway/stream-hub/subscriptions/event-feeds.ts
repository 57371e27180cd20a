/**
 * What happens on a tenant's paths, as it happens: one ordered JetStream consumer for each tenant that has subscribers
 * here, shared by all of them. Its filter is the tenant's, so that another tenant's events never reach its readers; it
 * leaves nothing behind on the server.
 *
 * While NATS is unavailable nothing comes. When it is back the feed goes on behind the last event that it received, for the stream
 * is kept on disk; where that was lost, it begins with the new stream's first event.
 */
import { consumerOpts, type JetStreamSubscription, type JsMsg } from 'nats'
import { agenteseSubject } from '../../../shared/nats/subjects.ts'
import { Failure } from '../../../shared/failures.ts'
import type { Log } from '../../../shared/telemetry/log.ts'
import type { NatsLink } from '../../../shared/nats/link.ts'
import { readSubscriberEvent, type SubscriberEvent } from './subscriber-event.ts'

export interface FeedReader {
  onEvent(entry: SubscriberEvent): void
  /** The stream was lost and made anew: sequences begin again. */
  onNewStream(): void
}

export interface Joined {
  /** The sequence up to which everything has been delivered. */
  position(): number
  leave(): void
}

export interface EventFeeds {
  /**
   * Resolves when everything that is stored from then on will be delivered.
   *
   * @throws Failure DEPENDENCY_UNAVAILABLE
   */
  join(tenant: string, reader: FeedReader): Promise<Joined>
}

const STREAM = 'AGENTESE'
/** Between attempts to open a feed again while NATS is there: the stream may not be there yet. */
const RETRY_MS = 500

export function createEventFeeds(link: NatsLink, log: Log): EventFeeds {
  const feeds = new Map<string, Feed>()
  return {
    async join(tenant, reader) {
      const feed = feeds.get(tenant) ?? new Feed(tenant, link, log)
      feeds.set(tenant, feed)
      feed.readers.add(reader)
      const leave = () => {
        if (!feed.readers.delete(reader) || feed.readers.size > 0) return
        if (feeds.get(tenant) === feed) feeds.delete(tenant)
        feed.close()
      }
      try {
        await feed.opened()
      } catch (cause) {
        leave()
        throw natsAway(cause)
      }
      return { position: () => feed.position, leave }
    },
  }
}

export function natsAway(cause?: unknown): Failure {
  return new Failure('DEPENDENCY_UNAVAILABLE', 'Cannot follow events: the event streams are unavailable', {
    retryAfterSeconds: 1,
    cause,
  })
}

class Feed {
  readonly readers = new Set<FeedReader>()
  position = 0
  readonly #tenant: string
  readonly #link: NatsLink
  readonly #log: Log
  readonly #stopListening: () => void
  #opening: Promise<void> | undefined
  #subscription: JetStreamSubscription | undefined
  /** When the stream was made; another time is another stream. */
  #created: string | undefined
  #turn = 0
  #retry: NodeJS.Timeout | undefined

  constructor(tenant: string, link: NatsLink, log: Log) {
    this.#tenant = tenant
    this.#link = link
    this.#log = log
    this.#stopListening = link.watch((nc) => nc !== undefined && this.#reopen())
  }

  /** Opens the feed for its first reader; the others wait for the same. */
  opened(): Promise<void> {
    this.#opening ??= this.#open()
    return this.#opening
  }

  close(): void {
    this.#turn++
    clearTimeout(this.#retry)
    this.#stopListening()
    this.#subscription?.unsubscribe()
  }

  async #open(): Promise<void> {
    if (this.#link.nc === undefined) throw natsAway()
    const turn = ++this.#turn
    this.#subscription?.unsubscribe()
    this.#subscription = undefined
    const manager = await this.#link.manager()
    const { created, state } = await manager.streams.info(STREAM)
    if (turn === this.#turn || this.#created === undefined) this.#place(created, state.last_seq)
    if (turn !== this.#turn) return
    const subscription = await this.#link.jetstream().subscribe(
      agenteseSubject(this.#tenant, '>'),
      optionsFrom(this.position + 1, (message) => {
        if (turn === this.#turn) this.#deliver(message)
      }),
    )
    if (turn === this.#turn) this.#subscription = subscription
    else subscription.unsubscribe()
  }

  /** Begins at the end of the stream, and afterwards goes on where it was, if it still is that stream. */
  #place(created: string, last: number): void {
    if (this.#created === undefined) this.position = last
    else if (created !== this.#created || last < this.position) {
      this.position = 0
      for (const reader of this.readers) reader.onNewStream()
    }
    this.#created = created
  }

  #reopen(): void {
    clearTimeout(this.#retry)
    this.#open().catch((error: unknown) => {
      this.#log.debug({ err: error }, 'a feed of events could not be opened again yet')
      clearTimeout(this.#retry)
      if (this.readers.size > 0) this.#retry = setTimeout(() => this.#reopen(), RETRY_MS)
    })
  }

  #deliver(message: JsMsg): void {
    this.position = message.seq
    const { subject, headers, data, seq: sequence } = message
    const entry = readSubscriberEvent({ subject, headers, data, sequence }, this.#tenant, this.#log)
    if (entry !== undefined) for (const reader of this.readers) reader.onEvent(entry)
  }
}

function optionsFrom(sequence: number, callback: (message: JsMsg) => void) {
  return consumerOpts()
    .bindStream(STREAM)
    .orderedConsumer()
    .startSequence(sequence)
    .callback((_error, message) => {
      if (message !== null) callback(message)
    })
}
