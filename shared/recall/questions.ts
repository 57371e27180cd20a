/**
 * Vectors of questions that were asked before, kept in this process: who asks again is answered at once. A look may not
 * write, so there is no better place; a process that starts anew asks the model again.
 */
import { LRUCache } from 'lru-cache'
import type { ModelVector } from './search.ts'

/** Some 3 MB at 384 dimensions. */
const MOST = 2000

const kept = new LRUCache<string, ModelVector>({ max: MOST })

/** The vector of a question that this tenant asked before; none of another tenant's, so that nobody can tell what was asked. */
export function meaningOf(tenant: string, question: string): ModelVector | undefined {
  return kept.get(`${tenant} ${question}`)
}

export function keepMeaning(tenant: string, question: string, meaning: ModelVector): void {
  kept.set(`${tenant} ${question}`, meaning)
}
