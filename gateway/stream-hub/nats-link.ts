/** The hub's connection to NATS, which comes and goes. */
import { createInbox, Events, type NatsConnection } from 'nats'

export interface NatsLink {
  /** Undefined while NATS is away. */
  readonly nc: NatsConnection | undefined
  /** A new subject to which this hub may be sent something. */
  newInbox(): string
  /** Calls back each time that NATS is reached again, until the returned function is called. */
  onArrive(listener: () => void): () => void
  /** Resolves when NATS is reached, or `signal` aborts. */
  ready(signal: AbortSignal): Promise<void>
}

/**
 * @param opening the connection, which may be long in coming: until then it is as if NATS were away
 * @param inboxPrefix what NATS lets this part receive replies under
 */
export function createNatsLink(opening: Promise<NatsConnection>, inboxPrefix: string): NatsLink {
  const listeners = new Set<() => void>()
  let nc: NatsConnection | undefined

  async function watch(): Promise<void> {
    const opened = await opening
    const arrive = () => {
      nc = opened
      for (const listener of listeners) listener()
    }
    arrive()
    for await (const { type } of opened.status()) {
      if (type === Events.Disconnect) nc = undefined
      if (type === Events.Reconnect) arrive()
    }
  }
  void watch()

  function onArrive(listener: () => void): () => void {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  return {
    get nc() {
      return nc
    },
    newInbox: () => createInbox(inboxPrefix),
    onArrive,
    ready(signal) {
      if (nc !== undefined || signal.aborted) return Promise.resolve()
      const { promise, resolve } = Promise.withResolvers<void>()
      const off = onArrive(resolve)
      signal.addEventListener('abort', () => resolve(), { once: true })
      return promise.finally(off)
    },
  }
}
