/** What a question looks for in texts that were cut by the same rules, and how much of it a text has. */
import { withoutAccents } from './fold.ts'
import { joinedOf, quoteLexeme, stemOf, triplesOf } from './forms.ts'
import { STOP_WORDS } from './stop-words.ts'
import { pairsOf, partsOfQuantity, tokensOf, type Token } from './tokens.ts'

/** One word of a question, or one whole. */
export interface Term {
  /** Lexemes by which it is found, and what each is worth: 1 for the word itself. */
  forms: ReadonlyMap<string, number>
  /** Its parts; all of them together are worth less than the whole. */
  parts: readonly Term[]
  /** Whether some of its parts say nothing without the others: `5` of `5km`. */
  together: boolean
  /** Pairs of letters that it consists of, in a script without spaces. */
  pairs: readonly string[]
  /** How words begin that may be another form of it; undefined where there are none. */
  stem?: { word: string; start: string; least: number } | undefined
  /** Triples of letters by which words that are like it are found where nobody has the word itself. */
  triples: readonly string[]
  /** Says nothing about what a text is about. */
  weak: boolean
}

/** Terms of a question that count; the first ones. */
const MAX_TERMS = 32
const STEM = 0.95
const NO_ACCENTS = 0.9
const PAIRS = 0.9
const PARTS = 0.8
const INFLECTED = 0.8
const LIKE = 0.7

/** The terms of a question; those that say nothing only where there are no others. */
export function termsOf(question: string): Term[] {
  const terms = tokensOf(question).flatMap(asTerms)
  const strong = terms.filter(({ weak }) => !weak)
  const byWord = new Map((strong.length > 0 ? strong : terms).map((term) => [keyOf(term), term]))
  return [...byWord.values()].slice(0, MAX_TERMS)
}

function keyOf({ forms, pairs }: Term): string {
  return [...forms.keys(), ...pairs].join(' ')
}

function asTerms(token: Token): Term[] {
  if (token.kind === 'run') return wordsOfRun(token.letters.join('')).map((word) => runTerm(word))
  return [token.kind === 'word' ? wordTerm(token.word) : wholeTerm(token)]
}

function wholeTerm({ word, parts }: Extract<Token, { kind: 'whole' }>): Term {
  const forms = new Map([[word, 1]])
  const joined = joinedOf(word)
  if (joined !== undefined) forms.set(joined, STEM)
  // 10.0.0.2 has most parts of 10.0.0.1, and says something else.
  const isNumber = !/\p{L}/u.test(word)
  const within = isNumber && parts.length > 1 ? [] : parts.filter(saysSomething).flatMap(asTerms)
  return {
    forms,
    parts: within,
    together: partsOfQuantity(word).length > 0,
    pairs: [],
    triples: [],
    weak: within.length > 0 && within.every((part) => part.weak),
  }
}

/** The C of C++ is the name of something else. */
function saysSomething(part: Token): boolean {
  return part.kind !== 'word' || !/^\p{L}$/u.test(part.word)
}

function wordTerm(word: string): Term {
  const forms = new Map([
    [withoutAccents(word), NO_ACCENTS],
    [stemOf(word), STEM],
    [word, 1],
  ])
  forms.delete('') // of accents alone
  const weak = STOP_WORDS.has(word)
  return {
    forms,
    parts: [],
    together: false,
    pairs: [],
    stem: weak ? undefined : startOf(word),
    triples: weak ? [] : triplesOf(word),
    weak,
  }
}

/** Made when a question needs it: it takes more time than all else in this file. */
let segmenter: Intl.Segmenter | undefined

/** Words of a script without spaces, by ICU's dictionaries. */
function wordsOfRun(run: string): string[] {
  segmenter ??= new Intl.Segmenter('und', { granularity: 'word' })
  return [...segmenter.segment(run)].map(({ segment }) => segment)
}

/** Korean particles after a noun (josa). */
const PARTICLES =
  '에서는|에서도|에서|에게서|에게|에는|에도|에|까지|부터|처럼|보다|마다|조차|마저|으로|로|은|는|이|가|을|를|의|와|과|랑|도|만|께|한테'
/** A noun before its particle; and characters before the kana that a Japanese verb is inflected with. */
const BASE = new RegExp(
  String.raw`^(?:(\p{sc=Hangul}{2,}?)(?:${PARTICLES})|(\p{sc=Han}+\p{sc=Hiragana}*)\p{sc=Hiragana})$`,
  'u',
)

function runTerm(word: string): Term {
  const letters = word.match(/\P{M}\p{M}*|\p{M}+/gu) ?? []
  // A particle, as は.
  const weak = letters.length === 1 && /\p{Script=Hiragana}/u.test(word)
  const base = BASE.exec(word)?.slice(1).filter(Boolean) ?? []
  const pairs = pairsOf(letters)
  return { forms: new Map(), parts: base.map(runTerm), together: true, pairs, triples: [], weak }
}

/** Letters that forms of one word have in common at the beginning: words of the Latin script are longer. */
const LEAST_LATIN = 4
const LEAST = 3
/** Of a word, so much stays when it is inflected. */
const STAYS = 0.6
/** Letters of the longest ending. */
const MAX_ENDING = 3

function startOf(word: string): Term['stem'] {
  const letters = Array.from(word)
  const least = /\p{Script=Latin}/u.test(word) ? LEAST_LATIN : LEAST
  if (letters.length < least || !/^[\p{L}\p{M}]+$/u.test(word)) return undefined
  const length = Math.max(least, Math.floor(letters.length * STAYS))
  return { word, start: letters.slice(0, length).join(''), least }
}

/** How likely two words are forms of one, 0 to 1: what they begin with must outweigh their endings. */
function inflection({ word, least }: NonNullable<Term['stem']>, other: string): number {
  const [a, b] = [Array.from(word), Array.from(other)]
  let common = 0
  while (common < a.length && a[common] === b[common]) common += 1
  const ending = Math.max(a.length, b.length) - common
  if (common < least || common < ending || ending > MAX_ENDING) return 0
  return (INFLECTED * common) / (common + ending)
}

/** What PostgreSQL looks for; lexemes in the notation of `tsquery`. */
export interface WordQuery {
  /** Any of it, as a `tsquery`; empty where a question has no words. */
  any: string
  /** Lexemes that matter of those that are found: these, and those that begin so. */
  lexemes: string[]
  starts: string[]
  /** For terms that may be misspelt, by their place among the terms. */
  like: { at: number; itself: string; query: string; triples: string[]; least: number }[]
}

export function wordQueryOf(terms: readonly Term[]): WordQuery {
  const lexemes = [...new Set(terms.flatMap(lexemesOf))]
  const starts = [...new Set(terms.flatMap(startsOf))]
  return {
    any: [...lexemes.map(quoteLexeme), ...starts.map((start) => `${quoteLexeme(start)}:*`)].join(' | '),
    lexemes,
    starts,
    like: terms.flatMap(({ forms, triples }, at) =>
      triples.length === 0 ? [] : [{ at, itself: anyOf([...forms.keys()]), ...likeQuery(triples) }],
    ),
  }
}

function lexemesOf({ forms, parts, pairs }: Term): string[] {
  return [...forms.keys(), ...pairs, ...parts.flatMap(lexemesOf)]
}

function startsOf({ stem, parts }: Term): string[] {
  return [...(stem === undefined ? [] : [stem.start]), ...parts.flatMap(startsOf)]
}

function anyOf(lexemes: readonly string[]): string {
  return lexemes.map(quoteLexeme).join(' | ')
}

/** A word is like another one that has this share of its triples, and at least three. */
const SHARE = 0.4
const MIN_TRIPLES = 3
/** What has enough triples has some of two of these many groups, since a group has fewer. */
const GROUPS = 4

function likeQuery(triples: readonly string[]): { query: string; triples: string[]; least: number } {
  const size = Math.ceil(triples.length / GROUPS)
  const groups = Array.from({ length: GROUPS }, (_, at) => triples.slice(at * size, (at + 1) * size))
    .filter((group) => group.length > 0)
    .map((group) => `(${anyOf(group)})`)
  const pairs = groups.flatMap((group, at) => groups.slice(at + 1).map((other) => `${group} & ${other}`))
  const least = Math.max(MIN_TRIPLES, Math.ceil(triples.length * SHARE))
  return { query: pairs.join(' | '), triples: [...triples], least }
}

/**
 * How much of a question a text has, 0 to 1.
 *
 * @param found the lexemes that the text has of those that were looked for
 * @param alike by the place of a term, the share of its triples that one word of the text has
 */
export function shareOf(
  terms: readonly Term[],
  found: ReadonlySet<string>,
  alike: ReadonlyMap<number, number>,
): number {
  const worth = terms.map((term, at) => Math.max(worthOf(term, found), LIKE * (alike.get(at) ?? 0)))
  return worth.reduce((sum, each) => sum + each, 0) / Math.max(1, terms.length)
}

function worthOf({ forms, parts, together, pairs, stem }: Term, found: ReadonlySet<string>): number {
  const worth = [0]
  for (const [form, value] of forms) if (found.has(form)) worth.push(value)
  if (pairs.length > 0)
    worth.push(worthOfPairs(pairs.filter((pair) => found.has(pair)).length / pairs.length))
  if (parts.length > 0) {
    const strong = parts.filter(({ weak }) => !weak)
    const counted = strong.length > 0 ? strong : parts
    const each = counted.map((part) => worthOf(part, found))
    const share = each.reduce((sum, part) => sum + part, 0) / counted.length
    worth.push(together && each.includes(0) ? 0 : PARTS * share)
  }
  if (stem !== undefined) {
    for (const lexeme of found) if (lexeme.startsWith(stem.start)) worth.push(inflection(stem, lexeme))
  }
  return Math.max(...worth)
}

/** Half of the pairs may be chance. */
function worthOfPairs(share: number): number {
  if (share === 1) return 1
  return share > 0.5 ? PAIRS * share : 0
}
