/** How often and how long apart a delivery is tried, and where it goes when nothing helped. */
import type { Delivery, Destination } from '../../objects.ts'

export interface DeliveryPolicy {
  retries: number
  /** Seconds to wait before retry `n`, counted from 0. */
  backoffSeconds(n: number): number
  /** How long one attempt may take; unset is as long as the subscriber allows itself. */
  timeoutSeconds?: number
  deadLetterSink?: Destination
}

/** Knative's defaults for a Broker (config-br-defaults). */
const DEFAULT: Delivery = { retry: 10, backoffPolicy: 'exponential', backoffDelay: 'PT0.2S' }

/** Statuses after which the same delivery may succeed later; so may one without any answer. */
const RETRIED = new Set([404, 408, 409, 429])

export function isRetried(status: number | undefined): boolean {
  return status === undefined || status >= 500 || RETRIED.has(status)
}

/**
 * Reads a policy. The Trigger's replaces the Broker's, it does not add to it.
 *
 * @throws TypeError where a duration is not ISO 8601
 */
export function readDeliveryPolicy(
  trigger: Delivery | undefined,
  broker: Delivery | undefined,
): DeliveryPolicy {
  const delivery = trigger ?? broker ?? DEFAULT
  const delay = readDuration(delivery.backoffDelay ?? 'PT0S')
  return {
    retries: delivery.retry ?? 0,
    backoffSeconds: (n) => delay * (delivery.backoffPolicy === 'linear' ? n : 2 ** n),
    ...(delivery.timeout === undefined ? {} : { timeoutSeconds: readDuration(delivery.timeout) }),
    ...(delivery.deadLetterSink === undefined ? {} : { deadLetterSink: delivery.deadLetterSink }),
  }
}

const ISO_DURATION = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/

/** Seconds of an ISO 8601 duration of days at most, such as `PT0.5S`. */
function readDuration(text: string): number {
  const match = ISO_DURATION.exec(text)
  if (match === null || text.endsWith('T') || text === 'P') {
    throw new TypeError(`Cannot read duration "${text}": it is not ISO 8601, such as PT1S`)
  }
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = match.slice(1).map((part) => Number(part ?? 0))
  return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
}
