/** A value that components follow: the session, the theme, what is announced. */
import { useEffect, useState } from 'preact/hooks'

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

/** The value of a store, in a component. */
export function useStore<T>(store: Store<T>): T {
  const [, draw] = useState({})
  useEffect(() => store.follow(() => draw({})), [store])
  return store.get()
}
