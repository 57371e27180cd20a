/**
 * What has been delivered to one client of one job, and what comes next. Holds the rules of the log: messages of an attempt
 * that was overtaken are void, repeated ones count once, and a restart voids all text before it.
 *
 * A log is kept for minutes, and forgets its oldest messages first. Text that a client lacks and no log has any more comes at
 * the end, whole and after a restart, from what the job came to: no client is ever left with a gap.
 */
import type { TokenMessage } from '../../shared/inference/messages.ts'
import { LAST_EVENT_ID } from '../../shared/http/event-message.ts'
import { problemMembers } from '../../shared/problem.ts'
import { failureOf, type Ending } from './ending.ts'

/** One server-sent event. */
export interface StreamEvent {
  event: 'started' | 'restart' | 'chunk' | 'complete' | 'error'
  /** With which the client resumes. */
  id: number | typeof LAST_EVENT_ID
  data: Record<string, unknown>
}

export class Transcript {
  readonly #job: string
  readonly #seen: number
  #attempt = 0
  #next = 0
  #chunks = 0
  /** Whether some text that stands was neither delivered here nor before. */
  #lacks = false

  /** @param lastEventId index of the last event that the client has; -1 where it has none */
  constructor(job: string, lastEventId = -1) {
    this.#job = job
    this.#seen = lastEventId
  }

  /** The event for `message`; undefined where the client knows it, where it no longer counts, or where text before it is missing. */
  eventFor(message: TokenMessage): StreamEvent | undefined {
    const { index, attempt, kind } = message
    const expected = Math.max(this.#next, this.#seen + 1)
    // A log that begins above all that was in the one before is another, and that one is lost.
    const isAnew = kind === 'started' && index > expected
    if ((attempt < this.#attempt && !isAnew) || index < this.#next) return undefined
    const event = isAnew && expected > 0 ? 'restart' : kind
    if (index > expected) this.#lacks = true
    if (isAnew || kind === 'restart') [this.#chunks, this.#lacks] = [0, false]
    this.#attempt = attempt
    this.#next = index + 1
    if (kind === 'chunk') this.#chunks++
    if (index <= this.#seen) return undefined
    if (kind !== 'chunk') return { event, id: index, data: { job: this.#job, attempt, index } }
    return this.#lacks ? undefined : { event: 'chunk', id: index, data: { text: message.text, index } }
  }

  /** The last events. */
  end(ending: Ending): StreamEvent[] {
    const job = this.#job
    const id = LAST_EVENT_ID
    if (ending.status !== 'completed') {
      const problem = problemMembers(failureOf(ending))
      return [{ event: 'error', id, data: { ...problem, path: ending.path, job } }]
    }
    const { path, text, tokens, finish_reason, server, cost_usd, result, charges } = ending
    const tokens_used = tokens === undefined ? undefined : tokens.prompt + tokens.completion
    const whole = this.#lacksText(text) ? this.#again(text) : []
    const chunks = this.#chunks
    const data = {
      job,
      path,
      text,
      tokens_used,
      tokens,
      finish_reason,
      server,
      cost_usd,
      chunks,
      result,
      charges,
    }
    return [...whole, { event: 'complete', id, data }]
  }

  #lacksText(text: string | undefined): text is string {
    return text !== undefined && text !== '' && (this.#lacks || this.#chunks === 0)
  }

  /** All of the text, after a restart where the client may have a part of it. */
  #again(text: string): StreamEvent[] {
    const job = this.#job
    const first = Math.max(this.#next, this.#seen + 1)
    this.#chunks = 1
    if (first === 0) return [{ event: 'chunk', id: 0, data: { text, index: 0 } }]
    const index = first + 1
    return [
      { event: 'restart', id: first, data: { job, attempt: Math.max(1, this.#attempt), index: first } },
      { event: 'chunk', id: index, data: { text, index } },
    ]
  }
}
