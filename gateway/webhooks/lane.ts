/**
 * Takes what the consumer of one subscription on one stream holds, some events at a time, and delivers it. Each lane has
 * its own few attempts under way, so a sink that hangs holds up nobody else.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { ConsumerMessages, JetStreamClient, JsMsg, Subscription } from 'nats'
import type { Log } from '../../shared/telemetry/log.ts'

/** Attempts of one lane at once. */
const CONCURRENCY = 4
const EXPIRES_MILLISECONDS = 30_000
const AGAIN_MILLISECONDS = 1000

export interface Lane {
  /** Asks anew: what was asked of a server that is gone is not answered by the next. */
  askAgain(): void
  /** Asks for no more; resolves when what is under way is done. */
  close(): Promise<void>
}

export interface LaneOptions {
  js: JetStreamClient
  stream: string
  consumer: string
  /** Settles the message, one way or another; a throw leaves it to be delivered again. */
  handle: (message: JsMsg) => Promise<void>
  log: Log
}

export function openLane({ js, stream, consumer, handle, log }: LaneOptions): Lane {
  const closing = new AbortController()
  const { signal } = closing
  const inHand = new Set<Promise<void>>()
  /** Ends the messages of now: `drain` lets in what is on its way. */
  let stop = (_how: 'drain' | 'drop'): void => {}

  async function takeFrom(messages: ConsumerMessages): Promise<void> {
    for await (const message of messages) {
      if (signal.aborted) {
        // Fetched and not begun: another sender gets it now, and not only when the wait for its ack has passed.
        message.nak()
        continue
      }
      const work: Promise<void> = handle(message)
        .catch((error: unknown) => log.error({ err: error, consumer }, 'a delivery failed by a bug'))
        .finally(() => inHand.delete(work))
      inHand.add(work)
      if (inHand.size >= CONCURRENCY) await Promise.race(inHand)
    }
  }

  async function consume(): Promise<void> {
    const durable = await js.consumers.get(stream, consumer)
    const messages = await durable.consume({
      max_messages: CONCURRENCY,
      expires: EXPIRES_MILLISECONDS,
      abort_on_missing_resource: true,
    })
    stop = (how) => (how === 'drop' ? messages.stop() : void drain(messages))
    if (signal.aborted) stop('drain')
    await takeFrom(messages)
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        await consume()
      } catch (error) {
        // NATS is away, or the consumer is gone: then this lane is closed when the list is read again.
        log.debug({ err: error, consumer, stream }, 'a lane is interrupted')
      }
      await pause(AGAIN_MILLISECONDS, undefined, { signal }).catch(() => {})
    }
    await Promise.all(inHand)
  }

  const running = run()
  return {
    askAgain: () => stop('drop'),
    close() {
      closing.abort()
      stop('drain')
      return running
    },
  }
}

/**
 * Asks for no more and lets in what is on its way, so that it can be given back at once. The client drains this very
 * subscription when it drains a connection, but offers no other way to do it.
 */
function drain(messages: ConsumerMessages): Promise<void> {
  const { sub } = messages as unknown as { sub: Subscription } // reason: its type hides it
  return sub.drain().catch(() => messages.stop())
}
