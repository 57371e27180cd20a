/**
 * When a call has to be over: the caller hangs up, or the function's time is spent, whichever is first.
 *
 * The signal is made when somebody looks at it. With its timer, and what the collector has to do for it, it would be
 * the dearest part of a small call (11 us, measured), and most handlers are done before they would look.
 */
export interface Deadline {
  readonly signal: AbortSignal
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
