/**
 * Asks a JetStream consumer for messages, once. The client library's own iterators keep asking while their reader is
 * slow; here nothing is asked for that a client could not be sent at once, and what comes is handled as it comes.
 */
import type { Msg, NatsConnection } from 'nats'

export interface PullRequest {
  consumer: string
  /** Where the messages come to; nothing else may. */
  inbox: string
  batch: number
  /** How long to wait for messages; absent is not at all. */
  expiresMs?: number
}

/** `empty`: nothing is there, or nothing came in time. `gone`: so is the consumer, or NATS. */
type PullEnd = 'served' | 'empty' | 'gone' | 'stopped'

/** Where a message was delivered: the last tokens of the subject that acknowledges it. */
export interface Delivery {
  attempt: number
  sequence: number
  /** What names this delivery to its consumer. */
  token: string
}

/** Twice the largest message: a batch ends early rather than be larger. */
const MAX_BYTES = 2 * 1024 * 1024
/** The server answers an expired request itself; this is for one that was lost. */
const GRACE_MS = 5_000

export async function pull(
  nc: NatsConnection,
  { consumer, inbox, batch, expiresMs }: PullRequest,
  onMessage: (message: Msg) => void,
  signal: AbortSignal,
): Promise<PullEnd> {
  const { promise, resolve } = Promise.withResolvers<PullEnd>()
  let left = batch
  const subscription = nc.subscribe(inbox, {
    callback(error, message) {
      if (error !== null) return resolve('gone')
      if (message.subject === inbox) return resolve(endOf(message))
      onMessage(message)
      if (--left === 0) resolve('served')
    },
  })
  const stop = () => resolve('stopped')
  signal.addEventListener('abort', stop, { once: true })
  const timer = setTimeout(() => resolve('gone'), (expiresMs ?? 0) + GRACE_MS)
  const wait = expiresMs === undefined ? { no_wait: true } : { expires: expiresMs * 1e6 }
  const request = { batch, max_bytes: MAX_BYTES, ...wait }
  nc.publish(`$JS.API.CONSUMER.MSG.NEXT.AGENTESE.${consumer}`, JSON.stringify(request), { reply: inbox })
  if (signal.aborted) stop()
  return promise.finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
    subscription.unsubscribe()
  })
}

/** What a status says: 404 is nothing there, 408 nothing in time, and 409 also a batch that is as large as it may be. */
function endOf({ headers }: Msg): PullEnd {
  if (headers?.code === 404 || headers?.code === 408) return 'empty'
  return headers?.code === 409 && /maxbytes/i.test(headers.description) ? 'served' : 'gone'
}

/** `$JS.ACK.<stream>.<consumer>.<attempt>.<stream sequence>.<consumer sequence>.<time>.<pending>`, from either form of it. */
export function readDelivery(message: Msg): Delivery {
  const tokens = (message.reply ?? '').split('.')
  const last = tokens.length >= 11 ? tokens.slice(6, 11) : tokens.slice(4, 9)
  return { attempt: Number(last[0]), sequence: Number(last[1]), token: last.join('.') }
}
