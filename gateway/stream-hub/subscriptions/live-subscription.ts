/**
 * At-most-once: events are delivered as they happen, and nobody waits for a client. Stored events come first where the client
 * requests them, at its pace; then it joins what happens now, without a gap and without a repetition.
 */
import type { Log } from '../../../shared/telemetry/log.ts'
import type { NatsLink } from '../../../shared/nats/link.ts'
import type { ClientStream } from './client-stream.ts'
import type { Joined } from './event-feeds.ts'
import type { SubscriptionMetrics } from './metrics.ts'
import { replay, type Origin } from './replay.ts'
import { textOf, type SubscriberEvent } from './subscriber-event.ts'
import type { Wanted } from './wanted.ts'

export interface LiveOptions {
  tenant: string
  wanted: Wanted
  stream: ClientStream
  link: NatsLink
  log: Log
  metrics: SubscriptionMetrics
  /** Of events that are held while the last stored ones are delivered. */
  buffer: number
  signal: AbortSignal
  /** From where stored events come first. */
  origin: Origin | undefined
}

const RETRY_MS = 250

export class LiveSubscription {
  readonly #options: LiveOptions
  /** `behind`: what happens now is read from the store later. `held`: it waits for the last of the store. */
  #state: 'behind' | 'held' | 'live'
  #held: SubscriberEvent[] = []
  /** The sequence of the last stored event that was read, and where reading begins. */
  #last = 0
  #origin: Origin

  constructor(options: LiveOptions) {
    this.#options = options
    this.#state = options.origin === undefined ? 'live' : 'behind'
    this.#origin = options.origin ?? { sequence: 1 }
  }

  onEvent(entry: SubscriberEvent): void {
    if (this.#state === 'live') return this.#deliver(entry)
    if (this.#state === 'behind') return
    this.#held.push(entry)
    if (this.#held.length > this.#options.buffer) this.#fallBehind()
  }

  onNewStream(): void {
    this.#last = 0
    this.#origin = { sequence: 1 }
    if (this.#state === 'held') this.#fallBehind()
  }

  beat({ position }: Joined): void {
    this.#options.stream.beat(this.#state === 'live' ? position() : undefined)
  }

  /** Delivers what is stored from the origin on, and goes live. */
  async catchUp(): Promise<void> {
    const { link, log, signal } = this.#options
    while (!signal.aborted && this.#state !== 'live') {
      await link.ready(signal)
      try {
        const complete = await this.#replay(this.#origin)
        if (complete && this.#state === 'held') this.#goLive()
        else if (complete) this.#state = 'held' // and once more: for what happened meanwhile
      } catch (error) {
        log.debug({ err: error }, 'stored events could not be read yet')
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
      if (this.#last > 0) this.#origin = { sequence: this.#last + 1 }
    }
  }

  async #replay(origin: Origin): Promise<boolean> {
    const { tenant, wanted, stream, link, log, signal } = this.#options
    return replay({
      link,
      tenant,
      log,
      subjects: wanted.subjects,
      origin,
      signal,
      room: () => stream.room(),
      onEvent: (entry) => {
        if (entry.sequence <= this.#last) return
        this.#last = entry.sequence
        if (!wanted.has(entry)) return
        this.#options.metrics.delivered(entry, false)
        stream.send(textOf(entry))
      },
    })
  }

  #goLive(): void {
    this.#state = 'live'
    const held = this.#held
    this.#held = []
    for (const entry of held) if (entry.sequence > this.#last) this.#deliver(entry)
  }

  #fallBehind(): void {
    this.#state = 'behind'
    this.#held = []
  }

  #deliver(entry: SubscriberEvent): void {
    const { wanted, stream, metrics } = this.#options
    if (!wanted.has(entry)) return
    metrics.delivered(entry, true)
    stream.offer(textOf(entry))
  }
}
