/** Finds entries with the same meaning: those whose vectors are closer than a threshold. */
import type { Db } from '../database/database.ts'
import type { Corpus } from './entries.ts'
import { similarityOf, vectorFrom } from './sketch.ts'

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
const MAX_BLOCK_MS = 20

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
 * For subjects that have others of the same meaning: those others, by a cosine of at least `threshold`. Earlier entries go first,
 * and what goes with one of them goes with no other. Of two that are not fresh nothing is
 * looked at, since they were compared before. Lets other calls in between.
 */
export async function findSame(
  entries: readonly Embedded[],
  threshold: number,
): Promise<Map<string, string[]>> {
  const signs = signsOf(entries)
  // Of the signs of two vectors, as many differ as their angle is of a half turn, give or take.
  const most = SIGNS * (Math.acos(threshold) / Math.PI + MARGIN)
  const models = numbersOf(entries.map(({ model }) => model))
  const fresh = Uint8Array.from(entries, (entry) => Number(entry.fresh))
  const same = new Map<string, string[]>()
  /** Those that go with an earlier one. */
  const gone = new Uint8Array(entries.length)
  let paused = performance.now()
  for (const [at, a] of entries.entries()) {
    if (gone[at] === 1) continue
    const others: string[] = []
    for (let later = at + 1; later < entries.length; later += 1) {
      if (differing(signs, at, later) > most || gone[later] === 1 || models[at] !== models[later]) continue
      const b = entries[later] as Embedded
      if (fresh[at] === 0 && fresh[later] === 0) continue
      if (a.vector.length !== b.vector.length || similarityOf(a.vector, b.vector) < threshold) continue
      others.push(b.subject)
      gone[later] = 1
    }
    if (others.length > 0) same.set(a.subject, others)
    if (performance.now() - paused > MAX_BLOCK_MS) {
      await new Promise((resolve) => setImmediate(resolve))
      paused = performance.now()
    }
  }
  return same
}

/** The same number for the same name. */
function numbersOf(names: readonly string[]): Int32Array {
  const known = [...new Set(names)]
  return Int32Array.from(names, (name) => known.indexOf(name))
}

/**
 * Signs of components that distinguish most pairs, in words of 32; and how many more may differ than is to be expected, as
 * a share. Of 10,000 sentences with vectors of real models, 18 signs differ at most where the cosine is 0.95, 29 are let
 * pass, and one pair of 300 has as few (measured: all pairs of 10,000 take 0.6 s, and 9 s by their vectors).
 */
const WORDS = 3
const SIGNS = WORDS * 32
const MARGIN = 0.2

function signsOf(entries: readonly Embedded[]): Int32Array {
  const signs = new Int32Array(entries.length * WORDS)
  for (const [entry, { vector }] of entries.entries()) {
    for (const [at, value] of vector.subarray(0, SIGNS).entries()) {
      const word = entry * WORDS + (at >> 5)
      if (value > 0) signs[word] = (signs[word] as number) | (1 << (at & 31))
    }
  }
  return signs
}

function differing(signs: Int32Array, a: number, b: number): number {
  let count = 0
  for (let word = 0; word < WORDS; word += 1)
    count += bitsOf((signs[a * WORDS + word] as number) ^ (signs[b * WORDS + word] as number))
  return count
}

/** How many bits of a 32-bit word are set. */
function bitsOf(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
