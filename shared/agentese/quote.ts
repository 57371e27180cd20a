/**
 * A caller's text inside a message: short, on one line and well formed, whatever was sent, so that no answer and no
 * log line carries a megabyte, a terminal command or half a character.
 */
const LONGEST = 60

/** `text` in quotes, at most 60 characters of it. */
export function quote(text: string): string {
  const shown = text.slice(0, LONGEST).toWellFormed().replace(/\p{C}/gu, '\uFFFD')
  return `"${shown}${text.length > LONGEST ? '...' : ''}"`
}
