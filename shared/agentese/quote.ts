/**
 * A caller's text inside a message: short, on one line and well formed, whatever was sent, so that no answer and no
 * log line carries a megabyte, a terminal command or half a character.
 */
import { beginningOf } from '../beginning.ts'

const LONGEST = 60

/** `text` in quotes, at most 60 characters of it. */
export function quote(text: string): string {
  // Joiners hold characters together, and command nothing.
  const shown = beginningOf(text, LONGEST).replace(/(?![\u200C\u200D])\p{C}/gu, '\uFFFD')
  return `"${shown}${text.length > LONGEST ? '...' : ''}"`
}
