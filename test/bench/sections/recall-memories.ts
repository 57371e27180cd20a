/** Made-up memories: words as rare and as common as in a language, and vectors that lie around topics. */
import type { Db } from '../../../shared/database/database.ts'
import { newId } from '../../../shared/new-id.ts'
import { sketchOf } from '../../../shared/recall/sketch.ts'
import { vectorsOf } from '../../../shared/text/forms.ts'
import { tokensOf } from '../../../shared/text/tokens.ts'

const DIMENSIONS = 384
const TOPICS = 400
const VOCABULARY = 20_000
/** The most frequent words of a language tell nothing, and no search looks for them. */
const STOP_WORDS = 100
/** Words of a memory, on average. */
const WORDS = 16
/** How far from its topic a memory lies, in units of the topic's own length. */
const SPREAD = 1.2
/** Rows that are written at once. */
const PAGE = 500

export interface Memory {
  text: string
  vector: Float32Array
}

/** The same ones each time. */
export function inventMemories(count: number): Memory[] {
  const random = randomFrom(20_261_122)
  const words = Array.from({ length: VOCABULARY }, () => inventWord(random))
  const topics = Array.from({ length: TOPICS }, () => inventVector(random))
  return Array.from({ length: count }, () => {
    const length = Math.ceil(WORDS * (0.5 + random()))
    // As in a language: a word of twice the rank is half as frequent.
    const word = () => words[Math.floor(STOP_WORDS * (VOCABULARY / STOP_WORDS) ** random())] ?? ''
    const text = Array.from({ length }, word).join(' ')
    const topic = topics[Math.floor(random() * TOPICS)] as Float32Array
    const away = inventVector(random)
    return { text, vector: ofLengthOne(topic.map((value, at) => value + SPREAD * (away[at] ?? 0))) }
  })
}

/** Writes memories as entries of `owner`; their subjects are their numbers, from 0. */
export async function keepMemories(
  db: Db,
  tenant: string,
  owner: string,
  kept: readonly Memory[],
  model: string,
): Promise<void> {
  for (let from = 0; from < kept.length; from += PAGE) {
    const rows = kept.slice(from, from + PAGE).map(({ text, vector }, at) => ({
      id: newId(),
      subject: String(from + at),
      text,
      ...vectorsOf(tokensOf(text)),
      vector: Buffer.from(vector.buffer).toString('base64'),
      sketch: sketchOf(vector),
    }))
    await db`
      insert into recall_entries (id, tenant_id, kind, owner, subject, text, words, letters, vector, sketch, model, embedded_at)
      select id, ${tenant}, 'memory', ${owner}, subject, text, words::tsvector, letters::tsvector, decode(vector, 'base64'), sketch, ${model}, now()
      from jsonb_to_recordset(${db.json(rows)})
        as x(id uuid, subject text, text text, words text, letters text, vector text, sketch bit varying)`
  }
}

function inventWord(random: () => number): string {
  const syllables = 2 + Math.floor(random() * 3)
  return Array.from({ length: syllables }, () => {
    const consonant = 'bcdfghklmnprstvw'[Math.floor(random() * 16)] ?? 'b'
    return consonant + ('aeiou'[Math.floor(random() * 5)] ?? 'a')
  }).join('')
}

function inventVector(random: () => number): Float32Array {
  // The sum of four uniform numbers is close to normal.
  const value = () => random() + random() + random() + random() - 2
  return ofLengthOne(Float32Array.from({ length: DIMENSIONS }, value))
}

function ofLengthOne(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
