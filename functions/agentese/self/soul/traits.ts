/**
 * Preferences and patterns of a person: how sure they are as time passes, and which matter for a topic. No clock and no
 * database: times are given. The rates are those of the persona model's evolution.
 */
import { termsOf } from '../../../../shared/text/question.ts'

export const ASPECTS = ['preference', 'pattern'] as const
export const SOURCES = ['explicit', 'inferred', 'inherited', 'uncertain'] as const
export const STATUSES = ['pending', 'committed', 'reverted'] as const

/**
 * Where a trait belongs: `one` holds a single value at a time, `many` holds a list.
 */
export const PATHS = {
  preference: {
    'communication.style': 'one',
    'communication.length': 'one',
    'communication.formality': 'one',
    'aesthetics.design': 'one',
    'aesthetics.prose': 'one',
    values: 'many',
    dislikes: 'many',
  },
  pattern: { thinking: 'many', decision_making: 'many', communication: 'many' },
} as const satisfies Record<(typeof ASPECTS)[number], Record<string, 'one' | 'many'>>

/** Longest content of a trait, in characters. */
export const MAX_CONTENT = 300

export interface Trait {
  id: string
  aspect: (typeof ASPECTS)[number]
  path: string
  content: string
  source: (typeof SOURCES)[number]
  /** As it was at `confirmed_at`, 0 to 1. */
  confidence: number
  confirmed_at: Date
  occurrences: number
  status: (typeof STATUSES)[number]
  reason: string | null
  replaces: string | null
  token_id: string | null
  created_at: Date
}

/** A month on average, as years are counted: 365.25 days for 12 of them. */
export const MONTH_MS = (365.25 / 12) * 86_400_000
const DECAY = 0.1
/** Confidence that does not decay any further. */
const FLOOR = 0.1
const REVIEW_MONTHS = 6
const ARCHIVE_MONTHS = 12
const ARCHIVE_BELOW = 0.3

/** What an inferred pattern takes before it may be accepted. */
export const MIN_OCCURRENCES = 3
export const MIN_CONFIDENCE = 0.5

type Aging = Pick<Trait, 'confidence' | 'confirmed_at'>

/** How sure a trait is at a time, 0 to 1. */
export function confidenceAt({ confidence, confirmed_at }: Aging, at: Date): number {
  return Math.min(confidence, Math.max(FLOOR, confidence - DECAY * monthsSince(confirmed_at, at)))
}

/** `review` is unconfirmed for six months; `archived` is out of use, since it is a year old and unsure. */
export function standingAt(trait: Aging, at: Date): 'current' | 'review' | 'archived' {
  const months = monthsSince(trait.confirmed_at, at)
  if (months >= ARCHIVE_MONTHS && confidenceAt(trait, at) < ARCHIVE_BELOW) return 'archived'
  return months >= REVIEW_MONTHS ? 'review' : 'current'
}

function monthsSince(since: Date, at: Date): number {
  return Math.max(0, (at.getTime() - since.getTime()) / MONTH_MS)
}

/** Traits of each aspect that are put before a model. */
export const MAX_SHOWN = 3

/**
 * The traits that matter for a topic, best first. How to talk matters for every topic; the rest must have a word in
 * common with it. Without a topic, the surest ones.
 */
export function matching(
  traits: readonly Trait[],
  topic: string | undefined,
  at: Date,
  most: number,
): Trait[] {
  const wanted = topic === undefined ? undefined : formsOf(topic)
  return traits
    .filter((trait) => standingAt(trait, at) !== 'archived')
    .map((trait) => ({ trait, shared: sharedWith(wanted, trait), confidence: confidenceAt(trait, at) }))
    .filter(({ trait, shared }) => wanted === undefined || shared > 0 || isManner(trait))
    .toSorted(
      (a, b) => b.shared - a.shared || b.confidence - a.confidence || (a.trait.id < b.trait.id ? 1 : -1),
    )
    .slice(0, most)
    .map(({ trait }) => trait)
}

function isManner({ path }: Trait): boolean {
  return path.startsWith('communication')
}

function sharedWith(wanted: ReadonlySet<string> | undefined, { content }: Trait): number {
  return wanted === undefined ? 0 : formsOf(content).intersection(wanted).size
}

/** Words and stems by which texts are compared, without those that say nothing about a topic. */
function formsOf(text: string): Set<string> {
  return new Set(termsOf(text).flatMap(({ weak, forms, pairs }) => (weak ? [] : [...forms.keys(), ...pairs])))
}

/** How contents are compared: without case, marks and repeated spaces. */
export function keyOf(content: string): string {
  return content
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}+#]+/gu, ' ')
    .trim()
}

/**
 * Whether two traits cannot both hold: two values where there is room for one, a value that is disliked, an order turned
 * around (`tabs over spaces`), or a statement and its denial.
 */
export function contradicts(a: Named, b: Named): boolean {
  if (a.aspect !== b.aspect) return false
  const [one, other] = [keyOf(a.content), keyOf(b.content)]
  if (a.path !== b.path) return isOpposite(a.path, b.path) && one === other
  if (kindOf(a) === 'one') return one !== other
  const [first, second] = [orderOf(one), orderOf(other)]
  if (first !== undefined && second !== undefined)
    return first.more === second.less && first.less === second.more
  return isDenied(one) !== isDenied(other) && affirmed(one) === affirmed(other)
}

type Named = Pick<Trait, 'aspect' | 'path' | 'content'>

/** How many values a trait's path has room for; undefined for an unknown path. */
export function kindOf({ aspect, path }: Pick<Trait, 'aspect' | 'path'>): 'one' | 'many' | undefined {
  const paths: Readonly<Record<string, 'one' | 'many'>> = PATHS[aspect]
  return Object.hasOwn(paths, path) ? paths[path] : undefined
}

function isOpposite(path: string, other: string): boolean {
  return [path, other].toSorted().join(' ') === 'dislikes values'
}

function orderOf(key: string): { more: string; less: string } | undefined {
  const [more = '', less = '', ...rest] = key.split(/ (?:over|rather than|instead of) /)
  return rest.length > 0 || more === '' || less === '' ? undefined : { more, less }
}

/** As `keyOf` leaves them: `don't` is `don t`. */
const DENIALS = /\b(?:not|never|no|without|do not|does not|don t|doesn t)\b/g
const AFFIRMATIONS = /\b(?:always|usually|often)\b/g

function isDenied(key: string): boolean {
  return key.search(DENIALS) >= 0
}

function affirmed(key: string): string {
  return key.replaceAll(DENIALS, ' ').replaceAll(AFFIRMATIONS, ' ').replaceAll(/ +/g, ' ').trim()
}
