/**
 * When a call has to be over: the caller hangs up, or the function's time is spent, whichever is first.
 *
 * Most calls are over long before, so nothing is made for one that nobody needs: an `AbortSignal` with its timer, and what
 * the collector has to do for it, would be the dearest part of a small call.
 */
import { Failure } from '../failures.ts'

/** Who waits for the answer, and may leave. */
export interface Connection {
  /** Whether the caller has left. */
  readonly isGone: boolean
  /** Calls `left` when the caller leaves; answers how to stop listening. */
  onLeave(left: () => void): () => void
}

export interface Deadline {
  /** For what takes one; aborted when the call has to be over. */
  readonly signal: AbortSignal
  /** Why the call has to be over already. */
  readonly overdue: Failure | undefined
  /** Calls `end` once, when the call has to be over; answers how to stop waiting for that. */
  onEnd(end: (why: Failure) => void): () => void
}

/**
 * What `work` comes to, unless the deadline is first. The work itself is not stopped by it, but the caller is not kept:
 * a database that has fallen silent answers nobody.
 *
 * @throws Failure DEADLINE_EXCEEDED when the time is over, CANCELLED when the caller has hung up
 */
export function within<T>(deadline: Deadline, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = deadline.onEnd(reject)
    work.then(
      (result) => {
        stop()
        resolve(result)
      },
      (error: unknown) => {
        stop()
        reject(error)
      },
    )
  })
}

/** @throws Failure as `within` does */
export function checkDeadline({ overdue }: Deadline): void {
  if (overdue !== undefined) throw overdue
}

/** The deadline of a request that came just now. */
export class RequestDeadline implements Deadline {
  readonly #connection: Connection
  readonly #due: number
  #signal: AbortSignal | undefined

  constructor(connection: Connection, timeoutSeconds: number) {
    this.#connection = connection
    this.#due = performance.now() + timeoutSeconds * 1000
  }

  get overdue(): Failure | undefined {
    if (this.#connection.isGone) return hungUp()
    return performance.now() < this.#due ? undefined : outOfTime()
  }

  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      const controller = new AbortController()
      this.#signal = controller.signal
      this.onEnd((why) => controller.abort(reasonOf(why)))
    }
    return this.#signal
  }

  onEnd(end: (why: Failure) => void): () => void {
    const { overdue } = this
    if (overdue !== undefined) {
      end(overdue)
      return () => {}
    }
    const timer = setTimeout(() => end(outOfTime()), Math.ceil(this.#due - performance.now())).unref()
    const stopListening = this.#connection.onLeave(() => end(hungUp()))
    return () => {
      clearTimeout(timer)
      stopListening()
    }
  }
}

/** The deadline of work that somebody else has given a signal. */
export function deadlineOf(signal: AbortSignal): Deadline {
  return {
    signal,
    get overdue() {
      return signal.aborted ? failureOf(signal.reason) : undefined
    },
    onEnd(end) {
      const over = () => end(failureOf(signal.reason))
      if (signal.aborted) over()
      signal.addEventListener('abort', over, { once: true })
      return () => signal.removeEventListener('abort', over)
    },
  }
}

/** As `AbortSignal.timeout` and `AbortController.abort` have it, for those who know these. */
function reasonOf({ code, message }: Failure): DOMException {
  return new DOMException(message, code === 'DEADLINE_EXCEEDED' ? 'TimeoutError' : 'AbortError')
}

function failureOf(reason: unknown): Failure {
  return reason instanceof DOMException && reason.name === 'TimeoutError' ? outOfTime() : hungUp()
}

function outOfTime(): Failure {
  return new Failure('DEADLINE_EXCEEDED', 'The call took too long', { retryAfterSeconds: 1 })
}

function hungUp(): Failure {
  return new Failure('CANCELLED', 'The caller has hung up')
}
