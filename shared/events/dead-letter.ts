/**
 * Dead letters: events that a function did not take by the last attempt, as the Broker hands them over. It adds attributes
 * that say what went wrong; no signature covers them, so they are shown and nothing is trusted to them.
 */
import { beginningOf } from '../beginning.ts'
import type { KgentsEvent } from './event.ts'

export interface DeadLetter {
  /** As it was sent. */
  event: KgentsEvent
  /** The function that did not take it; `unknown` where the Broker does not say. */
  function: string
  error: DeadLetterError
}

export interface DeadLetterError {
  /** HTTP status of the last answer; absent where there was none. */
  status?: number
  /** The beginning of what was answered, or why nothing was. */
  message: string
}

/** Longest excerpt of an answer, in UTF-16 code units. */
const MAX_MESSAGE = 500

/** Separates an event from what the Broker says of its delivery (Knative Eventing, "Event delivery failure"). */
export function readDeadLetter(received: KgentsEvent): DeadLetter {
  const {
    knativeerrordest: destination,
    knativeerrorcode: code,
    knativeerrordata: data,
    ...event
  } = received as KgentsEvent & Record<`knativeerror${'dest' | 'code' | 'data'}`, unknown>
  return {
    event,
    function: functionAt(textOf(destination)) ?? event.function ?? 'unknown',
    error: errorOf(Number(code), Buffer.from(textOf(data), 'base64').toString()),
  }
}

/** What an answer, or its absence, says about a delivery. */
export function errorOf(status: number, text: string): DeadLetterError {
  // Cut by the Broker, a character at the end may be none; what cannot be shown cannot be stored either.
  const shown = text.replace(/\ufffd+$/, '').replace(/\p{Cc}+/gu, ' ')
  return {
    ...(Number.isInteger(status) && status >= 100 && status <= 999 ? { status } : {}),
    message: beginningOf(shown.trim(), MAX_MESSAGE),
  }
}

/** The function whose host `url` names: the first label of a name in the cluster. */
function functionAt(url: string): string | undefined {
  return /^https?:\/\/([a-z][a-z0-9-]{0,62})\.[a-z0-9-]+\.svc\./.exec(url)?.[1]
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
