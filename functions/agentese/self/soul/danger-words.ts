/**
 * Finds words of danger, however they are dressed up: in other cases, with marks in between, in letters of other
 * alphabets of the same shapes, with invisible characters, with digits for letters. What cannot be read for such words
 * is dangerous too. A word counts as a whole: "information" has no "format" in it.
 */

/** The words, each in its forms. */
const WORDS: Record<string, string> = {
  delete: 'delet(?:e|es|ed|ing|ion|ions|er)',
  remove: 'remov(?:e|es|ed|ing|al|als|er)',
  drop: 'drop(?:s|ped|ping)?',
  truncate: 'truncat(?:e|es|ed|ing|ion)',
  destroy: 'destroy(?:s|ed|ing|er)?|destruct(?:ion|ive)?',
  rm: 'rm|rmdir',
  production: 'production|prods?',
  force: 'forc(?:e|es|ed|ing|ibly|eful|efully)',
  sudo: 'sudo',
  password: 'pass ?words?|passwd',
  secret: 'secrets?',
  token: 'tokens?',
  credential: 'credentials?|creds',
  'api key': 'api ?keys?',
  format: '(?:re)?format(?:s|ted|ting)?',
  wipe: 'wip(?:e|es|ed|ing|er)',
  purge: 'purg(?:e|es|ed|ing|er)',
  erase: 'eras(?:e|es|ed|ing|er|ure)',
}

const PATTERNS = Object.entries(WORDS).map(([word, forms]) => ({
  word,
  whole: new RegExp(`(?:^| )(?:${forms})(?= |$)`),
  anywhere: new RegExp(forms),
}))

/** Words that speak to whoever judges, and not about what is to be done. */
const PERSUASION =
  /(?:^| )(?:ignore|disregard|forget|override|bypass) (?:[a-z]+ ){0,6}?(?:instructions?|rules?|prompts?|polic(?:y|ies)|above|previous)(?= |$)|(?:^| )recommendation (?:[a-z]+ ){0,6}?approved?(?= |$)/

/** What is dangerous about `text`: the word, or why it cannot be judged; undefined where nothing is. */
export function dangerIn(text: string): string | undefined {
  const readings = readingsOf(text)
  const spelled = readings.flatMap(spelledIn)
  const found = PATTERNS.find(
    ({ whole, anywhere }) =>
      readings.some((words) => whole.test(words)) || spelled.some((letters) => anywhere.test(letters)),
  )
  if (found !== undefined) return `it contains "${found.word}"`
  if (readings.some((words) => PERSUASION.test(words))) return 'it speaks to whoever judges it'
  return isReadable(text) ? undefined : 'it has letters that cannot be read for danger'
}

/** Every way in which somebody could read the text, in a to z and single spaces. */
function readingsOf(text: string): string[] {
  const visible = toVisible(text)
  const unbroken = visible.replace(/(?<=[\p{L}\p{N}])[^\p{L}\p{N}\s]+(?=[\p{L}\p{N}])/gu, '')
  const parted = visible.replace(/(?<=\p{Ll})(?=\p{Lu})/gu, ' ')
  const dressed = [visible, unbroken, parted]
  const undressed = MARKS.flatMap((letters) => dressed.map((each) => undress(each, letters)))
  return [...dressed, ...undressed].map(toWords)
}

/** Without invisible characters, accents, and other shapes of the same letters. */
function toVisible(text: string): string {
  return text
    .replace(/[\u{1F150}-\u{1F169}\u{1F170}-\u{1F189}\u{1F1E6}-\u{1F1FF}]/gu, letterInPicture)
    .normalize('NFKD')
    .replace(/\p{M}|\p{Cf}|\p{Default_Ignorable_Code_Point}/gu, '')
    .replace(/[æœßøđłÆŒØĐŁ]/g, (letter) => EUROPEAN[letter.toLowerCase()] ?? letter)
}

/** Letters of European languages that do not come apart into a letter and an accent. */
const EUROPEAN: Record<string, string> = { æ: 'ae', œ: 'oe', ß: 'ss', ø: 'o', đ: 'd', ł: 'l' }

/** The letters A to Z in a circle, in a square, and as halves of flags. */
function letterInPicture(picture: string): string {
  const code = picture.codePointAt(0) ?? 0
  const first = [0x1f1e6, 0x1f170, 0x1f150].find((start) => code >= start) ?? code
  return String.fromCodePoint(0x61 + code - first)
}

function toWords(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z]+/g, ' ')
    .trim()
}

/** Letters that stand alone, one after the other, as what they spell. */
function spelledIn(words: string): string[] {
  const runs = words.match(/(?<![a-z])[a-z](?: [a-z](?![a-z]))+/g) ?? []
  return runs.map((letters) => letters.replaceAll(' ', ''))
}

/** Digits and marks that stand for letters; some stand for two. */
const MARKS: readonly Record<string, string>[] = ['i', 'l'].map((one) => ({
  0: 'o',
  1: one,
  3: 'e',
  4: 'a',
  5: 's',
  6: 'g',
  7: 't',
  8: 'b',
  9: 'g',
  '@': 'a',
  $: 's',
  '€': 'e',
  '(': 'c',
  '¢': 'c',
  '!': 'i',
  '|': one,
  '+': 't',
}))

function undress(text: string, letters: Record<string, string>): string {
  return text.replace(/[013456789@$€(¢!|+]/g, (mark) => letters[mark] ?? mark)
}

/** Signs, such as that of a currency, that can be taken for a letter; arrows and pictures cannot. */
const SIGN = /(?=\p{S})[^\p{ASCII}\u2190-\u21ff\p{Emoji_Presentation}]/v.source
const BESIDE_LETTER = new RegExp(`\\p{L}${SIGN}|${SIGN}\\p{L}`, 'v')

/** Whether every letter is one from a to z: letters of other alphabets, and signs among letters, can have the same shapes. */
function isReadable(text: string): boolean {
  const visible = toVisible(text)
  return !/(?![a-z])\p{L}/iu.test(visible) && !BESIDE_LETTER.test(visible)
}
