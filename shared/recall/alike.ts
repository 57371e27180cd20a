/** Finds entries that say the same: those whose vectors are closer than a threshold. Exact, and no index is needed. */
import type { Db } from '../database/database.ts'
import type { Corpus } from './entries.ts'
import { vectorFrom } from './sketch.ts'

export interface Embedded {
  subject: string
  model: string
  vector: Float32Array
  /** Embedded since everything was compared last. */
  fresh: boolean
}

/** Rows that are read at once. */
const PAGE = 2000
/** How long other calls of this process may wait. */
const LONGEST_BLOCK_MS = 20

/** Entries of an owner that can be found by meaning; fresh are those that were embedded after `since`. */
export async function readEmbedded(
  db: Db,
  { kind }: Corpus,
  owner: string,
  since: Date,
): Promise<Embedded[]> {
  const entries: Embedded[] = []
  for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
    const rows = await db<
      { id: string; subject: string; model: string; vector: Uint8Array; fresh: boolean }[]
    >`
      select id, subject, model, vector, embedded_at > ${since} as fresh from recall_entries
      where kind = ${kind} and owner = ${owner} and not hidden and vector is not null and id > ${after}
      order by id limit ${PAGE}`
    for (const { subject, model, vector, fresh } of rows)
      entries.push({ subject, model, fresh, vector: vectorFrom(vector) })
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return entries
    after = last.id
  }
}

/**
 * For subjects that others say the same as: those others, by a cosine of at least `threshold`. Earlier entries go first,
 * and what goes with one of them goes with no other; `fixed` ones go with none. Of two that are not fresh nothing is
 * looked at, since they were compared before. Lets other calls in between.
 */
export async function findSame(
  entries: readonly (Embedded & { fixed: boolean })[],
  threshold: number,
): Promise<Map<string, string[]>> {
  // For vectors of length 1: |a - b|² = 2 - 2 cos. A sum of squares only grows, so most pairs are given up early.
  const farthest = 2 - 2 * threshold
  const same = new Map<string, string[]>()
  const gone = new Set<string>()
  let paused = performance.now()
  for (const [at, a] of entries.entries()) {
    if (gone.has(a.subject)) continue
    for (let later = at + 1; later < entries.length; later += 1) {
      const b = entries[later] as (typeof entries)[number]
      if (b.fixed || !(a.fresh || b.fresh) || a.model !== b.model || gone.has(b.subject)) continue
      if (!isWithin(a.vector, b.vector, farthest)) continue
      const others = same.get(a.subject) ?? []
      others.push(b.subject)
      same.set(a.subject, others)
      gone.add(b.subject)
    }
    if (performance.now() - paused > LONGEST_BLOCK_MS) {
      await new Promise((resolve) => setImmediate(resolve))
      paused = performance.now()
    }
  }
  return same
}

function isWithin(a: Float32Array, b: Float32Array, farthest: number): boolean {
  if (a.length !== b.length) return false
  let sum = 0
  for (let at = 0; at < a.length; at += 1) {
    const difference = (a[at] as number) - (b[at] as number)
    sum += difference * difference
    if (sum > farthest) return false
  }
  return true
}
