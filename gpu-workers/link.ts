/**
 * Whether NATS can be reached, for everything in this process that has to act when it is back.
 *
 * The client reconnects by itself, but what was published meanwhile is lost, and so are pending requests for
 * messages. One watcher serves all: each call of `nc.status()` adds a listener that the client never removes.
 */
import { Events, type NatsConnection } from 'nats'

export interface Link {
  readonly nc: NatsConnection
  /** Replies arrive under this prefix, as permissions have it; absent where the client's default is used. */
  readonly inboxPrefix: string | undefined
  readonly connected: boolean
  /** Calls `on` whenever the connection is lost or is back; returns what stops that. */
  readonly watch: (on: (connected: boolean) => void) => () => void
}

export function watchLink(nc: NatsConnection, inboxPrefix?: string): Link {
  const watchers = new Set<(connected: boolean) => void>()
  let connected = true
  const change = (now: boolean) => {
    connected = now
    for (const watcher of watchers) watcher(now)
  }
  void (async () => {
    for await (const { type } of nc.status()) {
      if (type === Events.Disconnect) change(false)
      if (type === Events.Reconnect) change(true)
    }
  })()
  return {
    nc,
    inboxPrefix,
    get connected() {
      return connected
    },
    watch(on) {
      watchers.add(on)
      return () => watchers.delete(on)
    },
  }
}
