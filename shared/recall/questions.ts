/**
 * Vectors of earlier questions, kept in this process: a repeated question is answered at once. A read-only call may not
 * write, so there is no better place; a new process uses the model again.
 */
import { LRUCache } from 'lru-cache'
import type { ModelVector } from './search.ts'

/** Some 3 MB at 384 dimensions. */
const MOST = 2000

/** What a question means; no vector where it is in a script that the model does not know. */
export interface Meaning {
  vector?: ModelVector
}

const kept = new LRUCache<string, Meaning>({ max: MOST })

/** What an earlier question of this tenant means; none of another tenant's, so that nobody learns what others asked. */
export function meaningOf(tenant: string, question: string): Meaning | undefined {
  return kept.get(`${tenant} ${question}`)
}

export function keepMeaning(tenant: string, question: string, meaning: Meaning): void {
  kept.set(`${tenant} ${question}`, meaning)
}
