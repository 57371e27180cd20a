/**
 * The relay's link to JetStream: sees to it that the streams exist, and publishes with every acknowledgement awaited.
 *
 * NATS may go away and may come back without its streams (those in memory always do), so they are looked after
 * with the first use, with every reconnect, when a publish finds none, and now and then.
 */
import { ErrorCode, Events, NatsError, type JetStreamClient, type NatsConnection } from 'nats'
import type { StreamState } from '../../shared/nats/ensure-streams.ts'
import { pause } from './pause.ts'
import { createPublisher, type Outgoing, type Outcome } from './publisher.ts'

export type { Outgoing }

export interface StreamLink {
  readonly nc: NatsConnection
  readonly js: JetStreamClient
  readonly connected: boolean
  /** Resolves with the streams once they are known to exist. */
  ready(): Promise<readonly StreamState[]>
  /** Makes the next `ready` look again. */
  doubt(): void
  /** Sends all at once and waits for all; one outcome for each message, undefined where it is stored. */
  publishAll(messages: readonly Outgoing[]): Promise<Outcome[]>
  /** Calls back when the connection was lost and is there again; returns how to stop that. */
  onReconnect(callback: () => void): () => void
  /** Resolves when NATS is reached, after the time, or when `stop` aborts. */
  waitConnected(milliseconds: number, stop: AbortSignal): Promise<void>
}

export interface StreamLinkOptions {
  /** Creates what must exist. */
  ensure: (nc: NatsConnection) => Promise<readonly StreamState[]>
  report: (state: 'connected' | 'away') => void
  /** How long an acknowledgement may take. */
  timeoutMilliseconds?: number
}

const TOO_LARGE: string = ErrorCode.MaxPayloadExceeded
const NO_STREAM: string = ErrorCode.NoResponders

/** A message that can never be stored, however often it is sent. */
export function isUnstorable(error: Error): boolean {
  return error instanceof NatsError && error.code === TOO_LARGE
}

function disconnected(): NatsError {
  return NatsError.errorForCode(ErrorCode.Disconnect)
}

export function createStreamLink(nc: NatsConnection, options: StreamLinkOptions): StreamLink {
  const { ensure, report, timeoutMilliseconds = 3000 } = options
  const js = nc.jetstream({ timeout: timeoutMilliseconds })
  const publisher = createPublisher(nc, '_INBOX_relay', timeoutMilliseconds)
  const reconnected = new Set<() => void>()
  /** Ends every wait for an answer: what was asked of a lost connection is never answered. */
  const lost = new Set<() => void>()
  let connected = true
  let ensured: Promise<readonly StreamState[]> | undefined
  report('connected')

  async function watch(): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === Events.Disconnect) {
        connected = false
        report('away')
        for (const giveUp of lost) giveUp()
        publisher.giveUp()
      } else if (status.type === Events.Reconnect) {
        connected = true
        ensured = undefined
        report('connected')
        for (const callback of reconnected) callback()
      }
    }
  }
  void watch()

  /** Rejects when the connection is lost before `work` is done. */
  function whileConnected<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = () => reject(disconnected())
      lost.add(giveUp)
      void work.then(resolve, reject).finally(() => lost.delete(giveUp))
    })
  }

  function ensureOnce(): Promise<readonly StreamState[]> {
    const attempt = whileConnected(ensure(nc))
    attempt.catch(() => {
      if (ensured === attempt) ensured = undefined
    })
    return attempt
  }

  return {
    nc,
    js,
    get connected() {
      return connected && !nc.isClosed()
    },
    ready() {
      if (!this.connected) return Promise.reject(disconnected())
      ensured ??= ensureOnce()
      return ensured
    },
    doubt() {
      ensured = undefined
    },
    async publishAll(messages) {
      const outcomes = this.connected
        ? await publisher.publishAll(messages)
        : messages.map(() => disconnected())
      if (outcomes.some((outcome) => outcome instanceof NatsError && outcome.code === NO_STREAM)) {
        ensured = undefined
      }
      return outcomes
    },
    onReconnect(callback) {
      reconnected.add(callback)
      return () => reconnected.delete(callback)
    },
    async waitConnected(milliseconds, stop) {
      const end = performance.now() + milliseconds
      while (!this.connected && !stop.aborted && performance.now() < end) await pause(50, stop)
    },
  }
}
