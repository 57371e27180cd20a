/** Moments as callers name them. */
import { z } from 'zod'

/** Characters; a fraction of a second needs no more than nine digits. */
const LONGEST = 40
/** Hours from UTC that PostgreSQL takes; the farthest place is 14 away. */
const FARTHEST_OFFSET = 15

/**
 * A time of RFC 3339 that PostgreSQL and `Date` hold alike: of the years 1 to 9999 in UTC, at most 15 hours from it.
 * It stays text, as it was sent.
 */
export const Instant = z.iso
  .datetime({ offset: true, abort: true, error: 'is not an RFC 3339 time' })
  .max(LONGEST, { abort: true, error: `has more than ${LONGEST} characters` })
  .refine((text) => isOfOurEra(Date.parse(text)), 'is not within the years 1 to 9999 in UTC')
  .refine((text) => offsetOf(text) <= FARTHEST_OFFSET, `is more than ${FARTHEST_OFFSET} hours from UTC`)

function isOfOurEra(milliseconds: number): boolean {
  return /^(?!0000)\d{4}-/.test(new Date(milliseconds).toISOString())
}

/** Whole hours, on either side. */
function offsetOf(text: string): number {
  return Number(/[+-](\d\d):\d\d$/.exec(text)?.[1] ?? 0)
}
