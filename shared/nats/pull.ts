/**
 * Asks a JetStream consumer for messages, once. The client library's own iterators keep asking while their reader is
 * slow; here nothing is asked for that cannot be handled at once, and what comes is handled as it comes.
 */
import type { Msg } from 'nats'
import { Delivery } from './delivery.ts'
import type { NatsLink } from './link.ts'

export interface PullRequest {
  stream: string
  consumer: string
  /** How many messages at most. */
  batch: number
  /** Ends the batch early rather than let it be larger. */
  maxBytes?: number
  /** How long to wait for messages; absent is not at all. */
  expiresMs?: number
  /** Whether acknowledgements are repeated until they are confirmed. */
  confirmed?: boolean | undefined
  /** Of a consumer that serves one client at a time: its group, and what the server has called this client, if anything. */
  group?: string | undefined
  pin?: string | undefined
}

/**
 * `served`: a whole batch came. `empty`: nothing is there, or nothing more came in time. `absent`: the consumer is, or does
 * not answer. `lost`: the connection is. `unpinned`: the consumer serves another client now.
 */
export type PullEnd = 'served' | 'empty' | 'absent' | 'lost' | 'stopped' | 'unpinned'

/** The server answers an expired request itself; this is for one that was lost. */
const GRACE_MS = 5_000

/** When `stop` aborts, what is already on its way is still handed over, so that it can be given back at once. */
export async function pull(
  link: NatsLink,
  request: PullRequest,
  onDelivery: (delivery: Delivery) => void,
  stop: AbortSignal,
): Promise<PullEnd> {
  const { stream, consumer, batch, expiresMs = 0, confirmed } = request
  const { nc } = link
  if (nc === undefined) return 'lost'
  if (stop.aborted) return 'stopped'
  const inbox = link.newInbox()
  const { promise, resolve } = Promise.withResolvers<PullEnd>()
  let left = batch
  const subscription = nc.subscribe(inbox, {
    callback(error, message) {
      if (error !== null) return resolve('absent')
      if (message.subject === inbox) return resolve(endOf(message))
      onDelivery(new Delivery(nc, message, confirmed))
      left -= 1
      if (left === 0) resolve('served')
    },
  })
  // Draining waits for the server to have seen the end of the subscription, and so for all that it sent before.
  const drain = (end: PullEnd) =>
    void subscription.drain().then(
      () => resolve(end),
      () => resolve(end),
    )
  const onStop = () => drain('stopped')
  const timer = setTimeout(() => drain('absent'), expiresMs + GRACE_MS)
  const unwatch = link.watch(() => resolve('lost'))
  stop.addEventListener('abort', onStop, { once: true })
  nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, bodyOf(request), { reply: inbox })
  return promise.finally(() => {
    clearTimeout(timer)
    unwatch()
    stop.removeEventListener('abort', onStop)
    subscription.unsubscribe()
  })
}

function bodyOf({ batch, maxBytes, expiresMs, group, pin }: PullRequest): string {
  const wait = expiresMs === undefined ? { no_wait: true } : { expires: expiresMs * 1e6 }
  return JSON.stringify({ batch, max_bytes: maxBytes, ...wait, group, id: pin })
}

/**
 * What a status says: 404 is nothing there, 408 nothing in time, 423 a pin that is not good any more, and 409 also a batch
 * that is as large as it may be.
 */
function endOf({ headers }: Msg): PullEnd {
  if (headers?.code === 404 || headers?.code === 408) return 'empty'
  if (headers?.code === 423) return 'unpinned'
  return headers?.code === 409 && /maxbytes/i.test(headers.description) ? 'served' : 'absent'
}
