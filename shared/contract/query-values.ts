/** Values in the query of a URL, which are texts: how they are read, and what a schema says of them. */
import { z } from 'zod'

const YES = ['true', '1', 'yes', 'on', 'y', 'enabled']
const NO = ['false', '0', 'no', 'off', 'n', 'disabled']

/** A yes or no. Documents show a boolean, which is `true` or `false` in a URL; other words are taken too, in any case. */
export const Flag = z
  .stringbool({ truthy: YES, falsy: NO })
  .meta({ type: ['boolean', 'string'], pattern: `^(${[...YES, ...NO].map(inAnyCase).join('|')})$` })

/** A whole number in decimal digits; `z.coerce` takes an empty text for 0, and hexadecimal digits too. */
export function wholeNumber(minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER) {
  return z
    .preprocess(
      (text) => (/^-?\d+$/.test(String(text)) ? Number(text) : text),
      z.int('is no whole number').min(minimum).max(maximum),
    )
    .meta({ type: 'integer', minimum, maximum })
}

/** Patterns of JSON Schema have no flags. */
function inAnyCase(word: string): string {
  return word.replaceAll(/[a-z]/g, (letter) => `[${letter.toUpperCase()}${letter}]`)
}
