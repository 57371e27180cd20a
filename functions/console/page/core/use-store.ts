/** Follows a store from a component. */
import { useEffect, useState } from 'preact/hooks'
import type { Store } from './store.ts'

/** The value of a store, in a component. */
export function useStore<T>(store: Store<T>): T {
  const [, draw] = useState({})
  useEffect(() => store.follow(() => draw({})), [store])
  return store.get()
}
