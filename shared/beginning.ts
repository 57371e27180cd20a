/** Cuts texts to a length, and never a character in two: neither its code units, nor an accent or an emoji from what it belongs to. */

/** Made when a text needs it: it takes longer than the cut. */
let graphemes: Intl.Segmenter | undefined

/** The beginning of a well-formed `text`, of at most `length` UTF-16 code units, up to the end of a character. */
export function beginningOf(text: string, length: number): string {
  if (text.length <= length) return text.toWellFormed()
  return text.slice(0, endBefore(text, length)).toWellFormed()
}

/** The last end of a character at or before `length`, where the text is longer. */
function endBefore(text: string, length: number): number {
  if (isPlain(text, length - 1) && isPlain(text, length)) return length
  graphemes ??= new Intl.Segmenter('und', { granularity: 'grapheme' })
  // Whether a character ends somewhere depends on what is before it and on the one code point after it.
  const { index } = graphemes.segment(text.slice(0, length + 2)).containing(length) ?? { index: length }
  return index
}

/** Between two printable characters of ASCII there is always an end. */
function isPlain(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code >= 0x20 && code <= 0x7e
}
