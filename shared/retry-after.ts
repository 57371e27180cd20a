/** `Retry-After` (RFC 9110, section 10.2.3), as others send it: seconds, or a date. */

const SECONDS = /^\s*\d+\s*$/
/** The three forms of an HTTP date; other texts that JavaScript takes for dates are none. */
const HTTP_DATE = /^\s*(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d{2}:\d{2}:\d{2}/

/** Whole seconds from `now` (milliseconds since 1970), 0 for a time that is over; undefined where it says neither. */
export function readRetryAfter(
  value: string | null | undefined,
  now: number = Date.now(),
): number | undefined {
  if (value === null || value === undefined) return undefined
  if (SECONDS.test(value)) return Number(value)
  // The oldest form names no zone: every date of HTTP is in GMT.
  const at = HTTP_DATE.test(value) ? Date.parse(/GMT\s*$/.test(value) ? value : `${value} GMT`) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - now) / 1000))
}
