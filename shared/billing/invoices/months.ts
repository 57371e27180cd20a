/**
 * Months of a subscription, in UTC. They are counted from its anchor and not from the month before, so one that began on
 * the 31st ends on the last day of shorter months, and on the 31st again after them.
 */

/** A part of time: from `start` on, up to `end` and without it. */
export interface Period {
  start: Date
  end: Date
}

/** The same day and time `months` later; the last day of the month where that has no such day. */
export function addMonths(anchor: Date, months: number): Date {
  const year = anchor.getUTCFullYear()
  const month = anchor.getUTCMonth() + months
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate()
  const moved = new Date(anchor)
  // The day first set to one that every month has.
  moved.setUTCFullYear(year, month, Math.min(anchor.getUTCDate(), lastDay))
  return moved
}

/** The month `index` of a subscription, from 0 on. */
export function monthOf(anchor: Date, index: number): Period {
  return { start: addMonths(anchor, index), end: addMonths(anchor, index + 1) }
}

/** The term that month `index` belongs to, of `months` months each. */
export function termOf(anchor: Date, index: number, months: number): Period {
  const first = index - (index % months)
  return { start: addMonths(anchor, first), end: addMonths(anchor, first + months) }
}

const SECOND_MS = 1000

/** Whole seconds from one time to another; parts of a second do not count at either end. */
export function secondsBetween(from: Date, to: Date): number {
  return Math.floor(to.getTime() / SECOND_MS) - Math.floor(from.getTime() / SECOND_MS)
}
