/**
 * One attempt to deliver one event to one sink: a CloudEvent in structured mode, signed as Standard Webhooks sign, so that
 * the signature covers every attribute. The sink recognizes a repetition by `webhook-id`. An event of the tenant's own
 * systems is as it was sent, and has the tenant's id besides.
 */
import { isReserved, messageIdOf, type KgentsEvent } from '../../shared/events/event.ts'
import {
  deriveWebhookSecret,
  signWebhook,
  type DeliveryError,
  type SinkMetadata,
} from '../../shared/events/webhook.ts'
import { Failure } from '../../shared/failures.ts'
import { beginningOf } from '../../shared/beginning.ts'
import { readRetryAfter } from '../../shared/retry-after.ts'
import { fencedRequest, type FencedResponse } from '../../shared/egress/fenced-request.ts'

/** Shown of what a sink answers, in UTF-16 code units; and the bytes that may take. */
const EXCERPT = 200
const EXCERPT_BYTES = 4 * EXCERPT
/** How long a secret signs after the rotation that replaced it: a day, and a little for clocks that differ. */
const RETIRING_MS = 86_400_000 + 600_000
const GONE = 410
const USER_AGENT = 'kgents-webhooks/1'

export type Outcome =
  | { how: 'delivered' }
  | { how: 'failed'; error: DeliveryError; retryAfterSeconds?: number }
  /** The sink says that it is gone for good. */
  | { how: 'gone'; error: DeliveryError }

export interface DeliverOptions {
  /** Key that the secrets of subscriptions are derived from. */
  key: string
  timeoutSeconds: number
  privateAllowed: readonly string[]
}

export type Deliver = (sink: SinkMetadata, event: KgentsEvent, signal: AbortSignal) => Promise<Outcome>

export function createDeliver({ key, timeoutSeconds, privateAllowed }: DeliverOptions): Deliver {
  return async (sink, event, signal) => {
    const body = writeBody(event)
    try {
      const response = await fencedRequest({
        url: sink.sink,
        method: 'POST',
        headers: headersOf(sink, key, event, body),
        body,
        allow: privateAllowed,
        privateAllowed,
        timeoutSeconds,
        maxBytes: EXCERPT_BYTES,
        excerpt: true,
        // A redirect would be a sink that the subscription does not name.
        maxRedirects: 0,
        signal,
      })
      return outcomeOf(response)
    } catch (error) {
      if (error instanceof Failure)
        return { how: 'failed', error: { code: error.code, message: error.message } }
      throw error
    }
  }
}

/** The event as others are to see it: its signature, and for whom one of ours is, are between parts of the platform. */
function writeBody({ signature: _signature, function: only, ...event }: KgentsEvent): string {
  return JSON.stringify(only === undefined || isReserved(event.type) ? event : { ...event, function: only })
}

function headersOf(
  sink: SinkMetadata,
  key: string,
  event: KgentsEvent,
  body: string,
): Record<string, string> {
  const id = messageIdOf(event)
  const timestamp = String(Math.floor(Date.now() / 1000))
  const signatures = signingRotations(sink).map((rotation) =>
    signWebhook(deriveWebhookSecret(key, sink.subscription, rotation), { id, timestamp, body }),
  )
  return {
    'content-type': 'application/cloudevents+json; charset=utf-8',
    'user-agent': USER_AGENT,
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  }
}

/** The secret that is, and those that were replaced within a day. */
function signingRotations({ rotation, rotations }: SinkMetadata): number[] {
  const recent = rotations.filter((time) => Date.now() - Date.parse(time) < RETIRING_MS)
  return [rotation, ...recent.map((_, at) => rotation - 1 - at)]
}

function outcomeOf({ status, headers, body }: FencedResponse): Outcome {
  if (status >= 200 && status < 300) return { how: 'delivered' }
  const excerpt = excerptOf(body)
  const error = {
    code: `HTTP_${status}`,
    message: `The sink answered ${status}${excerpt === '' ? '' : `: ${excerpt}`}`,
    status,
  }
  if (status === GONE) return { how: 'gone', error }
  const retryAfterSeconds = readRetryAfter(headers['retry-after'])
  return { how: 'failed', error, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) }
}

/** What can be shown as text on one line. */
function excerptOf(body: Buffer): string {
  const text = new TextDecoder().decode(body, { stream: true })
  return beginningOf(text, EXCERPT)
    .replace(/[[\p{Cc}\p{Cf}\s]--[\u200C\u200D]]+/gv, ' ')
    .trim()
}
