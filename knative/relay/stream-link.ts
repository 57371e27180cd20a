/**
 * The relay's link to JetStream: sees to it that the streams exist, and publishes with every acknowledgement awaited.
 *
 * NATS may come back without its streams (those in memory always do), so they are looked after with the first use, with
 * every reconnect, when a publish finds none, and now and then.
 */
import { ErrorCode, NatsError, type NatsConnection } from 'nats'
import { consume, type ConsumeOptions } from '../../shared/nats/consume.ts'
import type { StreamState } from '../../shared/nats/ensure-streams.ts'
import type { NatsLink } from '../../shared/nats/link.ts'
import { createPublisher, type PublishAll } from '../../shared/nats/publisher.ts'

export interface StreamLink {
  readonly nats: NatsLink
  readonly connected: boolean
  /** Resolves with the streams once they are known to exist; rejects where NATS is unavailable. */
  streams(): Promise<readonly StreamState[]>
  /** Makes the next `streams` look again. */
  doubt(): void
  publishAll: PublishAll
  /** Works through a consumer on one of the streams; where it does not answer, they are looked at again. */
  consume(options: Omit<ConsumeOptions, 'link' | 'prepare'>): Promise<void>
}

/** How long an acknowledgement may take. */
const ACKNOWLEDGEMENT_MS = 3000

const TOO_LARGE: string = ErrorCode.MaxPayloadExceeded
const NO_STREAM: string = ErrorCode.NoResponders

/** A message that can never be stored, however often it is sent. */
export function isUnstorable(error: Error): boolean {
  return error instanceof NatsError && error.code === TOO_LARGE
}

/** @param ensure creates what must exist */
export function createStreamLink(
  nats: NatsLink,
  ensure: (nc: NatsConnection) => Promise<readonly StreamState[]>,
): StreamLink {
  const publish = createPublisher(nats, ACKNOWLEDGEMENT_MS)
  let ensured: Promise<readonly StreamState[]> | undefined
  nats.watch(() => (ensured = undefined))

  /** Rejects when the connection is lost: what was asked of it is never answered. */
  function ensureOnce(): Promise<readonly StreamState[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly StreamState[]>()
    const unavailable = () => reject(NatsError.errorForCode(ErrorCode.Disconnect))
    const unwatch = nats.watch(unavailable)
    if (nats.nc === undefined) unavailable()
    else ensure(nats.nc).then(resolve, reject)
    promise.finally(unwatch).catch(() => {
      if (ensured === promise) ensured = undefined
    })
    return promise
  }

  const streams = () => (ensured ??= ensureOnce())

  return {
    nats,
    get connected() {
      return nats.nc !== undefined
    },
    streams,
    doubt() {
      ensured = undefined
    },
    async publishAll(messages) {
      const outcomes = await publish(messages)
      if (outcomes.some((outcome) => outcome instanceof NatsError && outcome.code === NO_STREAM))
        ensured = undefined
      return outcomes
    },
    consume({ report, ...options }) {
      return consume({
        ...options,
        link: nats,
        prepare: streams,
        report(state, error) {
          if (state === 'interrupted') ensured = undefined
          report(state, error)
        },
      })
    },
  }
}
