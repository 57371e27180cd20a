/** Turns pushes from a callback into an async iterable; values are never dropped and keep their order. */

export interface Queue<T> extends AsyncIterable<T> {
  push(value: T): void
  end(): void
  /** Ends the queue with `error`, after what was pushed before. */
  fail(error: unknown): void
}

export function createQueue<T>(): Queue<T> {
  const values: T[] = []
  let state: { kind: 'open' } | { kind: 'ended' } | { kind: 'failed'; error: unknown } = { kind: 'open' }
  let wake = Promise.withResolvers<void>()
  const signal = () => {
    wake.resolve()
    wake = Promise.withResolvers()
  }
  return {
    push(value) {
      values.push(value)
      signal()
    },
    end() {
      state = { kind: 'ended' }
      signal()
    },
    fail(error) {
      state = { kind: 'failed', error }
      signal()
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (values.length > 0) yield values.shift() as T
        if (state.kind === 'ended') return
        if (state.kind === 'failed') throw state.error
        await wake.promise
      }
    },
  }
}
