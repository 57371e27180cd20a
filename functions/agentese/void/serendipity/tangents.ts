/**
 * Tangents and inspirations, made of curated parts and the caller's own words. Each follows from a seed and these words
 * alone: the same draw always says the same.
 */
import { createHash } from 'node:crypto'
import { beginningOf } from '../../../../shared/beginning.ts'

const TURNS = [
  'What if {} were the answer, and you had not heard the question yet?',
  'Look at {} as somebody who will clean up after it.',
  'Do the smallest version of {} that could still embarrass you.',
  'Who would be relieved if {} did not happen?',
  'Describe {} to a child, and listen for where you lie.',
  'Leave {} out. What remains that nobody misses?',
  'Swap the first and the last step of {}.',
  'What would {} cost if it were free?',
  'Treat {} as a rumour. Where did it start?',
  'Write the apology that {} will need one day.',
  'Make {} boring on purpose.',
  'Which rule does {} keep that nobody made?',
  'Ask what {} is protecting.',
  'Give {} to the person who is least interested in it.',
  'What does {} look like in winter?',
  'Find the part of {} that you would keep without being paid.',
  'Halve {}, then halve it again, and stop when it hurts.',
  'Suppose {} worked perfectly. What breaks next?',
  'Where does {} already happen without you?',
  'State the opposite of {}. Now find what both share.',
] as const

const IMAGES = [
  'a river that has forgotten its source',
  'a market stall at closing time',
  'the second cup of tea',
  'a ladder in an orchard',
  'a map that was drawn by the lost',
  'an orchestra tuning',
  'moss on the north side',
  'a letter that was never sent',
  'a hinge that nobody notices',
  'bread that rises overnight',
  'a lighthouse in fog',
  'a queue that moves by itself',
  'the margin of an old book',
  'a bridge seen from below',
  'snow on a railway line',
  'a key without a lock',
] as const

const SPARKS = [
  'Begin in {} with {image}, and keep only what surprises you.',
  'In {}, make something as patient as {image}.',
  'Let {} learn from {image}: what does it do without effort?',
  'Build the part of {} that {image} would recognise.',
  'Describe {} as if it were {image}.',
  'Take {image} into {} and see what has to move aside.',
] as const

export interface Tangent {
  tangent: string
  /** How well this one came out of the draw, from 0 to 1. */
  confidence: number
}

/**
 * The tangent of a draw: a chance one of those whose confidence is at least `threshold`, or the surest where none is.
 *
 * @param seed from 0 up to 1
 * @param context the caller's own words; empty where there are none
 */
export function tangentOf(seed: number, context: string, threshold: number): Tangent {
  const subject = subjectOf(context) ?? 'what you are doing'
  const drawn = TURNS.map((turn, at) => ({
    tangent: turn.replace('{}', () => subject),
    confidence: chance(seed, `confidence ${at}`, context),
  }))
  const sure = drawn.filter(({ confidence }) => confidence >= threshold)
  return (
    pick(sure, chance(seed, 'tangent', context)) ??
    drawn.reduce((best, each) => (each.confidence > best.confidence ? each : best))
  )
}

/** An inspiration for a domain, from a draw. */
export function inspirationOf(seed: number, domain: string): string {
  const spark = pick(SPARKS, chance(seed, 'spark', domain)) ?? SPARKS[0]
  const image = pick(IMAGES, chance(seed, 'image', domain)) ?? IMAGES[0]
  const subject = subjectOf(domain) ?? 'your work'
  return spark.replace('{}', () => subject).replace('{image}', () => image)
}

/** Characters of the caller's words that are said back. */
const SUBJECT = 80

/** The caller's words as something that a sentence can be about: its first line, without a mark at the end. */
function subjectOf(words: string): string | undefined {
  const [line = ''] = words.trim().split('\n')
  const subject = beginningOf(line, SUBJECT).replace(/[\s.!?:;,]+$/, '')
  return subject === '' ? undefined : `“${subject}”`
}

/** A number from 0 up to 1 that follows from its arguments, and from nothing else. */
function chance(seed: number, purpose: string, words: string): number {
  const hash = createHash('sha256')
    .update(JSON.stringify([seed, purpose, words]))
    .digest()
  return hash.readUIntBE(0, 6) / 2 ** 48
}

function pick<T>(list: readonly T[], chance: number): T | undefined {
  return list[Math.floor(chance * list.length)]
}
