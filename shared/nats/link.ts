/**
 * A part's link to NATS, which comes and goes. One watcher serves everything in the process: each call of the client's
 * `status()` adds a listener that is never removed.
 *
 * The client reconnects by itself, but what was asked of one connection is not answered by the next, and what is published
 * meanwhile is lost. So whoever waits for an answer watches the link, and asks anew.
 */
import {
  createInbox,
  ErrorCode,
  Events,
  NatsError,
  type JetStreamClient,
  type JetStreamManager,
  type Msg,
  type NatsConnection,
} from 'nats'
import { inboxPrefixOf, openNats } from './connect.ts'

export interface NatsLink {
  /** Undefined while NATS is unavailable. */
  readonly nc: NatsConnection | undefined
  /** Resolves when NATS is reached; with undefined where `stop` aborts first. */
  ready(stop?: AbortSignal): Promise<NatsConnection | undefined>
  /** Calls back whenever NATS is reached again, or is lost; returns what stops that. */
  watch(on: (nc: NatsConnection | undefined) => void): () => void
  /** Receives messages whenever NATS is there; returns what stops that. */
  subscribe(subject: string, callback: (error: NatsError | null, message: Msg) => void): () => void
  /** @throws NatsError where NATS is unavailable */
  jetstream(): JetStreamClient
  /** Rejects where NATS is unavailable. */
  manager(): Promise<JetStreamManager>
  /** A new subject to which this part may be sent something. */
  newInbox(): string
  /** Sends what is still to be sent, and disconnects. */
  close(): Promise<void>
}

/** Opens the link of a part; NATS may be long in coming. */
export function openNatsLink(url: string, part: string): NatsLink {
  const inboxPrefix = inboxPrefixOf(part)
  const opening = openNats(url, part, { inboxPrefix })
  const watchers = new Set<(nc: NatsConnection | undefined) => void>()
  let nc: NatsConnection | undefined

  function change(now: NatsConnection | undefined): void {
    nc = now
    for (const watcher of watchers) watcher(now)
  }

  async function follow(): Promise<void> {
    const opened = await opening
    change(opened)
    for await (const { type } of opened.status()) {
      if (type === Events.Disconnect) change(undefined)
      if (type === Events.Reconnect) change(opened)
    }
    if (nc !== undefined) change(undefined)
  }
  void follow()

  function connection(): NatsConnection {
    if (nc === undefined) throw NatsError.errorForCode(ErrorCode.Disconnect)
    return nc
  }

  function watch(on: (nc: NatsConnection | undefined) => void): () => void {
    watchers.add(on)
    return () => void watchers.delete(on)
  }

  return {
    get nc() {
      return nc
    },
    ready(stop) {
      if (nc !== undefined || stop?.aborted) return Promise.resolve(nc)
      const { promise, resolve } = Promise.withResolvers<NatsConnection | undefined>()
      const give = () => resolve(nc)
      const off = watch(give)
      stop?.addEventListener('abort', give, { once: true })
      return promise.finally(() => {
        off()
        stop?.removeEventListener('abort', give)
      })
    },
    watch,
    subscribe(subject, callback) {
      const subscribed = opening.then((opened) => opened.subscribe(subject, { callback }))
      return () => void subscribed.then((subscription) => subscription.unsubscribe())
    },
    jetstream: () => connection().jetstream(),
    // Asked whether the API answers, it would be asked about every time.
    manager: async () => connection().jetstreamManager({ checkAPI: false }),
    newInbox: () => createInbox(inboxPrefix),
    async close() {
      if (nc === undefined) void opening.then((opened) => opened.close())
      else if (!nc.isClosed()) await nc.drain()
    },
  }
}
