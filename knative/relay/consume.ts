/**
 * Works through a durable consumer, some messages at a time, for ever: across reconnects, and across streams that
 * were lost and made anew. Relays that run at once share the consumer, so each message goes to one of them.
 */
import type { ConsumerMessages, JsMsg, Subscription } from 'nats'
import { backoff, pause } from './pause.ts'
import type { ReportState } from './state-log.ts'
import type { StreamLink } from './stream-link.ts'

export interface ConsumeOptions {
  link: StreamLink
  stream: string
  consumer: string
  concurrency: number
  stop: AbortSignal
  /** Acknowledges the message, one way or another; a throw leaves it to be delivered again. */
  handle: (message: JsMsg) => Promise<void>
  report: ReportState
}

/** Resolves when `stop` aborted and every message in hand is done with. */
export async function consumeForEver(options: ConsumeOptions): Promise<void> {
  const { link, stop, report } = options
  const inHand = new Set<Promise<void>>()
  let failures = 0
  while (!stop.aborted) {
    await link.waitConnected(1000, stop)
    if (stop.aborted) break
    try {
      await link.ready()
      await consumeOnce(options, inHand)
      failures = 0
    } catch (error) {
      if (stop.aborted) break
      // The stream or the consumer may be gone.
      link.doubt()
      // That NATS is away is told once, by the link.
      if (link.connected) report('interrupted', error)
      failures += 1
    }
    await pause(backoff(failures, 25, 2000), stop)
  }
  await Promise.all(inHand)
}

/** Until the connection is lost: what is asked of a server is not answered by the next. */
async function consumeOnce(options: ConsumeOptions, inHand: Set<Promise<void>>): Promise<void> {
  const { link, stream, consumer, concurrency, stop, handle, report } = options
  const durable = await link.js.consumers.get(stream, consumer)
  const messages = await durable.consume({
    max_messages: concurrency,
    expires: 10_000,
    abort_on_missing_resource: true,
  })
  report('works')
  const off = link.onReconnect(() => messages.stop())
  const end = () => void drain(messages)
  stop.addEventListener('abort', end, { once: true })
  if (stop.aborted) end()
  try {
    for await (const message of messages) {
      if (stop.aborted) {
        // Fetched and not begun: another relay gets it now, and not only when the wait for its ack has passed.
        message.nak()
        continue
      }
      const work: Promise<void> = handle(message)
        .catch((error: unknown) => report('fails and is tried again', error))
        .finally(() => inHand.delete(work))
      inHand.add(work)
      if (inHand.size >= concurrency) await Promise.race(inHand)
    }
  } finally {
    off()
    stop.removeEventListener('abort', end)
  }
}

/**
 * Asks for no more and lets in what is on its way. `stop()` would drop that, and nobody would get it until the wait
 * for its acknowledgement has passed. The client drains this very subscription when it drains a connection, but offers no
 * other way to do it.
 */
function drain(messages: ConsumerMessages): Promise<void> {
  const { sub } = messages as unknown as { sub: Subscription } // reason: its type hides it
  return sub.drain().catch(() => messages.stop())
}
