/** What a server asks for in `Retry-After`: seconds, or a moment (RFC 9110, 10.2.3). */

/** The forms of a date that HTTP has: one that is written, two that are read. */
const DATE =
  /^(?:[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4}|[A-Z][a-z]+, \d\d-[A-Z][a-z]{2}-\d\d|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d) \d\d:\d\d:\d\d(?: \d{4}| GMT)$/

/** Seconds from now; undefined where nothing that can be read is asked for, or nothing more than now. */
export function readRetryAfter(value: string | undefined, now = Date.now()): number | undefined {
  const text = value?.trim() ?? ''
  const seconds = /^\d+$/.test(text) ? Number(text) : (readDate(text) - now) / 1000
  return seconds > 0 ? seconds : undefined
}

/** The oldest form has no zone: every date of HTTP is GMT. */
function readDate(text: string): number {
  if (!DATE.test(text)) return Number.NaN
  return Date.parse(text.endsWith('GMT') ? text : `${text} GMT`)
}
