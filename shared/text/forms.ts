/** Other forms of a word, by which it is found as well. */
import { stemmer } from 'stemmer'
import { withoutAccents } from './fold.ts'
import { STOP_WORDS } from './stop-words.ts'
import type { Token } from './tokens.ts'

/** Letters of the longest word that is found although it is misspelt. */
const MAX_LETTERS = 40
/** Characters of the longest whole that is also a word without its marks: `e-mail`, `don't`. */
const MAX_JOINED = 40

/** The stem of an English word, as Porter's algorithm has it; of any other word the word. */
export function stemOf(word: string): string {
  return /^[a-z]{3,}$/.test(word) && !STOP_WORDS.has(word) ? stemmer(word) : word
}

/** Thousands, as `1,000,000`; and digits that are often written without their hyphens, as those of a telephone. */
const GROUPED = /^[0-9]{1,3}(?:(?:,[0-9]{3})+|(?:'[0-9]{3})+|(?:\.[0-9]{3}){2,})$|^(?:[0-9]-?){6,}[0-9]$/

/** `email` of `e-mail`, `1000000` of `1,000,000`; undefined of other numbers, of single letters and of what is long. */
export function joinedOf(whole: string): string | undefined {
  if (whole.length > MAX_JOINED) return undefined
  if (/\p{N}/u.test(whole)) return GROUPED.test(whole) ? whole.replaceAll(/[^0-9]+/g, '') : undefined
  const joined = whole.replaceAll(/[^\p{L}\p{M}]+/gu, '')
  return joined.length > 1 ? joined : undefined
}

/**
 * The triples of letters of a word, by which words that are like it are found; its beginning and its end count as letters.
 * None of what has a digit: no other number is like a number.
 */
export function triplesOf(word: string): string[] {
  if (!/^[\p{L}\p{M}]+$/u.test(word)) return []
  const letters = Array.from(`  ${withoutAccents(word)} `)
  if (letters.length < 5 || letters.length > MAX_LETTERS) return []
  return [...new Set(letters.slice(2).map((letter, at) => `${letters[at]}${letters[at + 1]}${letter}`))]
}

/** A text as PostgreSQL keeps it: its words, and the triples of letters of each; in the notation of `tsvector`. */
export interface Vectors {
  words: string
  letters: string
}

/** Every lexeme of the tokens, with the numbers of the words that have it. */
export function vectorsOf(tokens: readonly Token[]): Vectors {
  const words = new Map<string, number[]>()
  const letters = new Map<string, number[]>()
  let position = 0
  const add = (token: Token) => {
    position += 1
    if (token.kind === 'whole') {
      put(words, token.word, position)
      put(words, joinedOf(token.word) ?? '', position)
      for (const part of token.parts) add(part)
    } else if (token.kind === 'run') {
      for (const [at, letter] of token.letters.entries()) {
        put(words, letter, position + at)
        if (at > 0) put(words, `${token.letters[at - 1]}${letter}`, position + at)
      }
      position += token.letters.length
    } else {
      for (const form of new Set([token.word, stemOf(token.word), withoutAccents(token.word)]))
        put(words, form, position)
      for (const triple of triplesOf(token.word)) put(letters, triple, position)
    }
  }
  for (const token of tokens) add(token)
  return { words: asVector(words), letters: asVector(letters) }
}

function put(vector: Map<string, number[]>, lexeme: string, position: number): void {
  if (lexeme === '') return
  const positions = vector.get(lexeme)
  if (positions === undefined) vector.set(lexeme, [position])
  else positions.push(position)
}

/** PostgreSQL keeps no greater position, and no more of them for one lexeme. */
const MAX_POSITION = 16_383
const MAX_POSITIONS = 255

function asVector(vector: ReadonlyMap<string, readonly number[]>): string {
  return [...vector]
    .map(([lexeme, positions]) => {
      const kept = positions.filter((each) => each <= MAX_POSITION).slice(0, MAX_POSITIONS)
      return `${quoteLexeme(lexeme)}${kept.length === 0 ? '' : `:${kept.join(',')}`}`
    })
    .join(' ')
}

/** A lexeme as `tsvector` and `tsquery` are written. */
export function quoteLexeme(lexeme: string): string {
  return `'${lexeme.replaceAll(/['\\]/g, '$&$&')}'`
}
