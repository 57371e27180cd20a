/**
 * When a call has to be over: the caller hangs up, or the function's time is spent, whichever is first.
 *
 * The signal is made when somebody looks at it. With its timer, and what the collector has to do for it, it would be
 * the dearest part of a small call (11 us, measured), and most handlers are done before they would look.
 */
import { Failure } from '../failures.ts'

export interface Deadline {
  readonly signal: AbortSignal
}

/**
 * What `work` comes to, unless the deadline is first. The work itself is not stopped by it, but the caller is not kept:
 * a database that has fallen silent answers nobody.
 *
 * @throws Failure DEADLINE_EXCEEDED when the time is over, CANCELLED when the caller has hung up
 */
export function within<T>({ signal }: Deadline, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(overdue(signal))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

/** @throws Failure as `within` does */
export function checkDeadline({ signal }: Deadline): void {
  if (signal.aborted) throw overdue(signal)
}

function overdue({ reason }: AbortSignal): Failure {
  return reason instanceof DOMException && reason.name === 'TimeoutError'
    ? new Failure('DEADLINE_EXCEEDED', 'The call took too long', { retryAfterSeconds: 1 })
    : new Failure('CANCELLED', 'The caller has hung up')
}

/** The deadline of a request that came just now. */
export class RequestDeadline implements Deadline {
  readonly #request: { readonly signal: AbortSignal }
  readonly #due: number
  #signal: AbortSignal | undefined

  constructor(request: { readonly signal: AbortSignal }, timeoutSeconds: number) {
    this.#request = request
    this.#due = performance.now() + timeoutSeconds * 1000
  }

  get signal(): AbortSignal {
    this.#signal ??= AbortSignal.any([this.#request.signal, signalAfter(this.#due - performance.now())])
    return this.#signal
  }
}

function signalAfter(milliseconds: number): AbortSignal {
  return milliseconds > 0
    ? AbortSignal.timeout(Math.ceil(milliseconds))
    : AbortSignal.abort(new DOMException('The time of the function is over', 'TimeoutError'))
}
