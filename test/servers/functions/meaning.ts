/** A model for tests: texts whose words mean the same get vectors that are close, whatever the words are. */
import { encodeVector } from '../../../shared/inference/vectors.ts'
import type { World } from './world.ts'

const DIMENSIONS = 256

/** Words that mean the same; all others mean themselves. */
const SYNONYMS = [
  ['disk', 'storage', 'space'],
  ['server', 'database', 'machine'],
  ['full', 'ran', 'out', 'exhausted'],
  ['cat', 'pet', 'animal'],
  ['salmon', 'fish', 'feed', 'eats'],
  ['fairness', 'justice', 'equity'],
]

const NOTHING = new Set([
  'the',
  'a',
  'an',
  'of',
  'was',
  'is',
  'on',
  'my',
  'our',
  'what',
  'which',
  'had',
  'to',
  'and',
])

/** Answers every request to embed, in the name of `model`; any other with a few words. */
export function playEmbedder(model = 'test-embedder'): Parameters<World['settles']>[1] {
  return ({ request }) =>
    'texts' in request
      ? {
          vectors: request.texts.map((text) => encodeVector(meaningOf(text))),
          tokens: { prompt: request.texts.length * 5, completion: 0 },
          model,
        }
      : { text: 'What each is owed, and no less.' }
}

export function meaningOf(text: string): Float32Array {
  const vector = new Float32Array(DIMENSIONS)
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) {
    if (NOTHING.has(word)) continue
    const sense = SYNONYMS.find((words) => words.includes(word))?.[0] ?? word
    // Each sense points somewhere of its own, over all dimensions, as in a real model.
    let state = Array.from(sense).reduce(
      (hash, letter) => Math.imul(hash ^ letter.charCodeAt(0), 0x01000193),
      0x811c9dc5,
    )
    for (let at = 0; at < DIMENSIONS; at += 1) {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + at
      vector[at] = (vector[at] ?? 0) + ((state >>> 8) % 2001) / 1000 - 1
    }
  }
  const length = Math.hypot(...vector) || 1
  return vector.map((value) => value / length)
}
