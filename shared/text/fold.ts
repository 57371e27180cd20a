/** Text as it is compared: whatever its case, its composition and the width of its letters are. */

const ASCII = /^[\0-\x7F]*$/
const QUOTES = /[\u2018\u2019\u201B\u02BC\u05F3]/g
const DASHES = /[\u2010-\u2015\u2212]/g
const DIGIT = /\p{Nd}/gu

/**
 * Case and compatibility folding (NFKC, and Unicode's full case folding but for the dots of i), so that `Straße` is
 * `STRASSE`, and `İ`, `I`, `ı` and `i` are one letter. Without what cannot be seen; digits of all scripts are 0 to 9.
 */
export function foldText(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase()
  return (
    text
      // A space of no width separates words; all else that cannot be seen is within one.
      .replaceAll('\u200B', ' ')
      .normalize('NFKC')
      .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, '')
      .replaceAll(QUOTES, "'")
      .replaceAll(DASHES, '-')
      // There and back: ẞ has a small letter only, ß a pair of capital ones only.
      .toLowerCase()
      .toUpperCase()
      .toLowerCase()
      .replaceAll('ς', 'σ')
      .replaceAll('i\u0307', 'i')
      .replaceAll(DIGIT, digitOf)
      .normalize('NFKC')
  )
}

/** Decimal digits stand ten in a row in Unicode, zero first, and rows of ten begin at multiples of two at least. */
function digitOf(digit: string): string {
  if (ASCII.test(digit)) return digit
  const code = digit.codePointAt(0) ?? 0
  let before = 0
  while (/\p{Nd}/u.test(String.fromCodePoint(code - before - 1))) before += 1
  return String(before % 10)
}

/** Accents and vowel signs that people often do not write: of Latin, Greek, Cyrillic, Hebrew and Arabic. */
const ACCENTS = /\u0640|[\u0300-\u036F\u0591-\u05C7\u0610-\u061A\u064B-\u065F\u0670\u06D6-\u06ED]/g
/** Letters that do not come apart into a letter and an accent. */
const STROKES: Record<string, string> = { ł: 'l', ø: 'o', đ: 'd', ħ: 'h', æ: 'ae', œ: 'oe' }
/** Letters of Arabic that keyboards of other languages, or hurried hands, write in another form. */
const ARABIC: Record<string, string> = { ی: 'ي', ى: 'ي', ک: 'ك', ة: 'ه' }
const SUBSTITUTES: Record<string, string> = { ...STROKES, ...ARABIC }

/** Folded text without its accents. */
export function withoutAccents(folded: string): string {
  if (ASCII.test(folded)) return folded
  const bare = folded.normalize('NFD').replaceAll(ACCENTS, '')
  return bare.replaceAll(/[łøđħæœیىکة]/g, (letter) => SUBSTITUTES[letter] ?? letter).normalize('NFC')
}
