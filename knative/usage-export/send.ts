/**
 * Sends events to a service until it has each that it will take. Where it refuses a request for what is in it, the others are
 * sent without the ones at fault. All of it may be repeated: the service knows by its id what it has.
 */
import { fencedRequest, type FencedResponse } from '../../shared/egress/fenced-request.ts'
import { readRetryAfter } from '../../shared/retry-after.ts'
import type { Service, UsageEvent } from './service.ts'

export interface Destination {
  service: Service
  url: string
  key: string | undefined
}

/** An event that the service will never take. */
export interface Rejection {
  event: UsageEvent
  status: number
  reason: string
}

/** The service takes nothing now: it cannot be reached, is busy, or does not know us. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
  readonly retryAfterSeconds: number | undefined

  constructor(message: string, retryAfterSeconds?: number) {
    super(message)
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** Statuses that are about the events; whatever else is no success is about us, or about the service. */
const FAULTS = new Set([400, 413, 422])
const MAX_ANSWER = 262_144
const MAX_REASON = 500

/**
 * @returns the events that it rejects; all others it has
 * @throws Unavailable where it is not known of some
 */
export async function send(
  to: Destination,
  events: readonly UsageEvent[],
  signal: AbortSignal,
  timeoutSeconds = 10,
): Promise<Rejection[]> {
  if (events.length === 0) return []
  const { status, headers, body } = await post(to, events, signal, timeoutSeconds)
  if (status >= 200 && status < 300) return []
  if (!FAULTS.has(status)) {
    throw new Unavailable(`It answered ${status}`, readRetryAfter(headers['retry-after']))
  }
  const text = body.toString()
  const again = (some: readonly UsageEvent[]) => send(to, some, signal, timeoutSeconds)
  const faults = to.service.faultsIn(text)
  const rejections = events.flatMap((event, place): Rejection[] => {
    const fault = faults.get(place)
    return fault === undefined || fault.known ? [] : [{ event, status, reason: shorten(fault.reason) }]
  })
  const others = events.filter((_, place) => !faults.has(place))
  if (others.length < events.length) return [...rejections, ...(await again(others))]
  const [only] = events
  if (events.length === 1 && only !== undefined) return [{ event: only, status, reason: shorten(text) }]
  // The answer does not say which: halves find it in a few requests.
  const middle = Math.ceil(events.length / 2)
  return [...(await again(events.slice(0, middle))), ...(await again(events.slice(middle)))]
}

async function post(
  { service, url, key }: Destination,
  events: readonly UsageEvent[],
  signal: AbortSignal,
  timeoutSeconds: number,
): Promise<FencedResponse> {
  const { origin } = new URL(url)
  try {
    return await fencedRequest({
      url: `${url.replace(/\/+$/, '')}${service.path}`,
      method: 'POST',
      headers: {
        'content-type': service.contentType,
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      },
      body: service.write(events),
      // The operator named it, so it may be private.
      allow: [origin],
      privateAllowed: [origin],
      timeoutSeconds,
      maxBytes: MAX_ANSWER,
      excerpt: true,
      maxRedirects: 0,
      signal,
    })
  } catch (error) {
    throw new Unavailable(error instanceof Error ? error.message : String(error))
  }
}

function shorten(text: string): string {
  return text.replaceAll('\0', '').slice(0, MAX_REASON).toWellFormed()
}
