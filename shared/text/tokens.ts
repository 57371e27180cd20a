/**
 * Cuts text into words, for all scripts. What is kept and what is looked for are cut by the same rules, and neither the
 * database's parser nor its locale has a say.
 *
 * - `a@b.de`, `19.99`, `I/O` and `don't` are wholes, and so are their parts; `19.99` is also a part of `$19.99` and `19.99kg`.
 * - Scripts that are written without spaces are cut into letters and pairs of letters.
 * - Combining marks belong to the word that they are in, and pictures are words.
 */
import { foldText } from './fold.ts'

export type Token =
  /** Letters, marks and digits in a row. */
  | { kind: 'word'; word: string }
  /** Characters that are no space, with the words in it. */
  | { kind: 'whole'; word: string; parts: readonly Token[] }
  /** Letters in a row of a script that is written without spaces, each with its marks. */
  | { kind: 'run'; letters: readonly string[] }

/** Code units of the longest word; of a longer one it is the beginning. PostgreSQL takes 2046 bytes. */
const MAX_WORD = 200

const LETTER = String.raw`[\p{L}\p{M}\p{N}]`
/** Without spaces, or, as Korean, with endings that are as many as words. */
const SCRIPTS = (
  'Han Hiragana Katakana Bopomofo Hangul Yi Nushu Tangut Thai Lao Khmer Myanmar Tai_Le New_Tai_Lue Tai_Tham Tai_Viet ' +
  'Javanese Balinese'
).split(' ')
const UNSPACED = `[${LETTER}&&[${SCRIPTS.map((script) => String.raw`\p{scx=${script}}`).join('')}]]`

const CHUNKS = new RegExp(String.raw`${UNSPACED}+|[^\s${UNSPACED}]+`, 'gv')
const IS_RUN = new RegExp(`^${UNSPACED}`, 'v')
/** Without the marks of a sentence before and after it. */
const CORE = /[\p{L}\p{M}\p{N}\p{S}#@%&](?:.*[\p{L}\p{M}\p{N}\p{S}#@%&])?/su
const PICTURES = /\p{Extended_Pictographic}|\p{RI}\p{RI}|\p{So}/gu
/** `€` and `→` are words where they stand alone. */
const IS_SIGN = /^[[\p{Sc}\p{Sm}]--\p{ASCII}]+$/v
const LETTER_WITH_MARKS = /\P{M}\p{M}*|\p{M}+/gu

/** Marks between the digits of a number, as `1,000,000`, and of a time, as `12:30`, which an address and its port are not. */
const WITHIN_NUMBER = String.raw`(?<=\p{N}),(?=\p{N})|(?<=(?<![.\p{N}])\p{N}{1,2}):(?=\p{N}{2}(?!\p{N}))`
/** What is within a whole, from the larger parts to the words: `b-c.de`, `c.de`, `de`. */
const PARTS = ["[.'_·-]", "[.'·]", undefined].map((joint) =>
  joint === undefined
    ? new RegExp(`${LETTER}+`, 'gu')
    : new RegExp(`${LETTER}+(?:(?:${joint}|${WITHIN_NUMBER})${LETTER}+)*`, 'gu'),
)
/** A number with a few letters at one end, which are its unit or its kind: `19.99kg`, `v2.0`, `A12`. */
const QUANTITY = /^(?:(\p{L}{1,3})(\p{N}+(?:[.,:]\p{N}+)*)|(\p{N}+(?:[.,:]\p{N}+)*)([\p{L}\p{M}]{1,4}))$/u

/** The tokens of a text, in their order. */
export function tokensOf(text: string): Token[] {
  return (foldText(text).match(CHUNKS) ?? []).flatMap((chunk): Token[] => {
    if (IS_RUN.test(chunk)) return [{ kind: 'run', letters: chunk.match(LETTER_WITH_MARKS) ?? [] }]
    const [core = ''] = CORE.exec(chunk) ?? []
    return IS_SIGN.test(core)
      ? [wordOf(core)]
      : [...wholeOf(core, 0), ...(core.match(PICTURES) ?? []).map(wordOf)]
  })
}

/** A chunk as a whole with its parts, where it has any, and as a word where that is all it is. */
function wholeOf(chunk: string, level: number): Token[] {
  const quantity = partsOfQuantity(chunk)
  if (quantity.length > 0)
    return [{ kind: 'whole', word: shorten(chunk), parts: quantity.flatMap((part) => wholeOf(part, 0)) }]
  const pattern = PARTS[level]
  if (pattern === undefined) return [wordOf(chunk)]
  const parts = chunk.match(pattern) ?? []
  if (parts.length === 0) return []
  if (parts[0] === chunk) return wholeOf(chunk, level + 1)
  return [{ kind: 'whole', word: shorten(chunk), parts: parts.flatMap((part) => wholeOf(part, level + 1)) }]
}

/** The number of a quantity and its letters; nothing of what is no quantity. */
export function partsOfQuantity(chunk: string): string[] {
  return QUANTITY.exec(chunk)?.slice(1).filter(Boolean) ?? []
}

function wordOf(word: string): Token {
  return { kind: 'word', word: shorten(word) }
}

function shorten(word: string): string {
  return word.length <= MAX_WORD ? word : word.slice(0, MAX_WORD).toWellFormed()
}

/** The letters of a run, or the pairs of them where there are any. */
export function pairsOf(letters: readonly string[]): string[] {
  if (letters.length === 1) return [...letters]
  return letters.slice(1).map((letter, at) => `${letters[at]}${letter}`)
}
