/**
 * What has been delivered to one client of one job, and what comes next. Holds the rules of the log: messages of an attempt
 * that was overtaken are void, repeated ones count once, and a restart voids all text before it.
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

  /** @param lastEventId index of the last event that the client has; -1 where it has none */
  constructor(job: string, lastEventId = -1) {
    this.#job = job
    this.#seen = lastEventId
  }

  /** The event for `message`; undefined where the client knows it, or where it no longer counts. */
  eventFor(message: TokenMessage): StreamEvent | undefined {
    const { index, attempt, kind } = message
    if (attempt < this.#attempt || index < this.#next) return undefined
    this.#attempt = attempt
    this.#next = index + 1
    if (kind === 'restart') this.#chunks = 0
    if (kind === 'chunk') this.#chunks++
    if (index <= this.#seen) return undefined
    if (kind === 'chunk') return { event: 'chunk', id: index, data: { text: message.text, index } }
    return { event: kind, id: index, data: { job: this.#job, attempt, index } }
  }

  /** The last event. */
  end(ending: Ending): StreamEvent {
    const job = this.#job
    const id = LAST_EVENT_ID
    if (ending.status !== 'completed') {
      return { event: 'error', id, data: { ...problemMembers(failureOf(ending)), path: ending.path, job } }
    }
    const { path, text, tokens, finish_reason, server, cost_usd, result, charges } = ending
    const tokens_used = tokens === undefined ? undefined : tokens.prompt + tokens.completion
    return {
      event: 'complete',
      id,
      data: {
        job,
        path,
        text,
        tokens_used,
        tokens,
        finish_reason,
        server,
        cost_usd,
        chunks: this.#chunks,
        result,
        charges,
      },
    }
  }
}
