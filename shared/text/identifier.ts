import { foldText, withoutAccents } from './fold.ts'

/** Characters of the longest identifier. */
export const MAX_IDENTIFIER = 64
/** An identifier, as a part of regular expressions. */
export const IDENTIFIER = `[a-z][a-z0-9_]{0,${MAX_IDENTIFIER - 1}}`

/**
 * The identifier that a name stands for: `zurich` of `Zürich`, of `ZÜRICH` and of either with its accent apart; an
 * identifier is its own. Empty where a name has no letters from a to z.
 */
export function identifierOf(name: string): string {
  return withoutAccents(foldText(name))
    .replaceAll(/[^a-z0-9_]+/g, '_')
    .replace(/^[^a-z]+/, '')
    .slice(0, MAX_IDENTIFIER)
}
