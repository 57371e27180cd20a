/**
 * Brings one event to one subscriber, as often as the policy allows, and takes the answer by Knative's rules: empty, or a
 * CloudEvent. Any other body counts as 502, because on a cluster it does.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { request, type Dispatcher } from 'undici'
import {
  looksLikeEvent,
  readBrokerEvent,
  toHeaders,
  type BrokerEvent,
  type EventMessage,
} from './broker-event.ts'
import { isRetried, type DeliveryPolicy } from './delivery-policy.ts'
import { isInCluster } from './destination.ts'
import type { createLimit } from './limit.ts'

type Limit = ReturnType<typeof createLimit>

/** One event for one subscriber. */
export interface Parcel {
  event: BrokerEvent
  /** Headers of the request that brought it, as far as they are passed on. */
  headers: Record<string, string>
}

export type Outcome =
  | { kind: 'delivered'; reply?: BrokerEvent }
  | { kind: 'failed'; status: number | undefined; body: string }

export interface Courier {
  /**
   * Tries until it is delivered or has failed for good.
   *
   * @param limit what each attempt runs in, but not the pauses between them
   * @throws when the courier is stopped meanwhile
   */
  deliver(parcel: Parcel, url: URL, policy: DeliveryPolicy, limit: Limit): Promise<Outcome>
}

export interface CourierOptions {
  /** `host:port` at which cluster names are answered. */
  ingress: () => string
  dispatcher: Dispatcher
  /** Seconds that pass in one of Knative's. */
  timeScale: number
  /** Makes no further attempt. */
  stop: AbortSignal
  /** Cuts the attempts that are under way. */
  cut: AbortSignal
}

/** An answer that is longer than this cannot be meant for a Broker. */
const MAX_ANSWER_BYTES = 1024 * 1024

export function createCourier(options: CourierOptions): Courier {
  const { stop, timeScale } = options
  return {
    async deliver(parcel, url, policy, limit) {
      for (let attempt = 0; ; attempt += 1) {
        const outcome = await limit(() => {
          stop.throwIfAborted()
          return tryOnce(parcel, url, policy, options)
        })
        if (outcome.kind === 'delivered') return outcome
        stop.throwIfAborted()
        if (attempt >= policy.retries || !isRetried(outcome.status)) return outcome
        await delay(policy.backoffSeconds(attempt) * timeScale * 1000, undefined, { signal: stop })
      }
    },
  }
}

async function tryOnce(
  { event, headers }: Parcel,
  url: URL,
  { timeoutSeconds }: DeliveryPolicy,
  { ingress, dispatcher, cut }: CourierOptions,
): Promise<Outcome> {
  try {
    const timeout = timeoutSeconds === undefined ? [] : [AbortSignal.timeout(timeoutSeconds * 1000)]
    const answer = await request(isInCluster(url) ? `http://${ingress()}${url.pathname}${url.search}` : url, {
      method: 'POST',
      headers: { ...headers, ...toHeaders(event), host: url.host, prefer: 'reply' },
      body: event.data,
      dispatcher,
      signal: AbortSignal.any([cut, ...timeout]),
    })
    return judge(answer.statusCode, { headers: answer.headers, body: await readBody(answer.body) })
  } catch (error) {
    return { kind: 'failed', status: undefined, body: error instanceof Error ? error.message : '' }
  }
}

function judge(status: number, answer: EventMessage): Outcome {
  const body = answer.body.toString()
  if (status < 200 || status > 299) return { kind: 'failed', status, body }
  if (answer.body.length === 0 && !looksLikeEvent(answer)) return { kind: 'delivered' }
  try {
    return { kind: 'delivered', reply: readBrokerEvent(answer) }
  } catch {
    return { kind: 'failed', status: 502, body }
  }
}

async function readBody(body: Dispatcher.ResponseData['body']): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_ANSWER_BYTES) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
