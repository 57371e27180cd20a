/** What an earlier stage of a composition came to, as words. */
import { beginningOf } from '../../shared/beginning.ts'
import { isExactNumber } from '../../shared/exact-json.ts'

/** Characters that are taken of it: as long as a message of a person may be. */
const LONGEST = 4000

/** The result as text: text as it is, anything else as JSON; cut where it is too long, and never through a character. */
export function textOf(result: unknown): string {
  return beginningOf(wholeTextOf(result), LONGEST)
}

/** Whether `textOf` leaves something out. */
export function isCut(result: unknown): boolean {
  return wholeTextOf(result).length > LONGEST
}

/** Every text in a result, names of members among them. */
export function textsIn(result: unknown): string[] {
  if (typeof result === 'string') return [result]
  if (typeof result !== 'object' || result === null || isExactNumber(result)) return []
  return Object.entries(result).flatMap(([name, value]) => [name, ...textsIn(value)])
}

function wholeTextOf(result: unknown): string {
  return typeof result === 'string' ? result : (JSON.stringify(result) ?? '')
}

/** A person's words, and below them the earlier result that they are about; either may be missing. */
export function wordsAbout(words: string | undefined, result: unknown): string {
  return [words, result === undefined ? undefined : textOf(result)]
    .filter((part) => part !== undefined && part !== '')
    .join('\n\n')
}
