/**
 * What a database has answered about a credential, for a few seconds: a call takes no query of its own, and what was taken
 * away is gone everywhere when these seconds are over.
 */
import { LRUCache } from 'lru-cache'
import { atMost } from '../at-most.ts'

/** How long a process believes what it has read; revocation takes no longer. */
const BELIEVED_SECONDS = 3
const MAX_REMEMBERED = 10_000

interface Entry<T> {
  /** The answer that is believed; one that is as before is the same object as before. */
  answer: Promise<T>
  until: number
}

export class Remembered<T extends object> {
  readonly #entries = new LRUCache<string, Entry<T>>(atMost(MAX_REMEMBERED))

  /** What `load` has answered under `name`; all that come while it answers wait for the same one. */
  get(name: string, load: () => Promise<T>): Promise<T> {
    const known = this.#entries.get(name)
    // Monotonic: a clock that is set back must not prolong anything.
    const now = performance.now()
    if (known !== undefined && now < known.until) return known.answer
    const answer = this.#load(known?.answer, load)
    const entry = { answer, until: now + BELIEVED_SECONDS * 1000 }
    this.#entries.set(name, entry)
    answer.catch(() => {
      if (this.#entries.get(name) === entry) this.#entries.delete(name)
    })
    return answer
  }

  async #load(before: Promise<T> | undefined, load: () => Promise<T>): Promise<T> {
    const [loaded, known] = await Promise.all([load(), before?.catch(() => undefined)])
    return known !== undefined && JSON.stringify(known) === JSON.stringify(loaded) ? known : loaded
  }
}
