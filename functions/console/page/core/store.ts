/** A value that components follow: the session, the theme, what is announced. */
export interface Store<T> {
  get(): T
  set(value: T): void
  /** @returns what ends it */
  follow(listener: () => void): () => void
}

export function createStore<T>(first: T): Store<T> {
  const listeners = new Set<() => void>()
  let value = first
  return {
    get: () => value,
    set(next) {
      value = next
      for (const listener of listeners) listener()
    },
    follow(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
