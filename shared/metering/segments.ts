/**
 * How a part of time is put together of what is summed: whole days and hours (UTC), and where it begins or ends within an
 * hour, of single rows.
 */

/** From the first on, up to the second and without it. */
export type Span = readonly [from: Date, to: Date]

export interface Segments {
  days: Span[]
  hours: Span[]
  parts: Span[]
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** Together they are the time from `from` to `to`, and no two of them overlap. */
export function segmentsOf(from: Date, to: Date): Segments {
  const [start, end] = [from.getTime(), to.getTime()]
  const hours = within(start, end, HOUR_MS)
  if (hours === undefined) return { days: [], hours: [], parts: aroundHour(start, end) }
  const parts = spans([start, hours[0]], [hours[1], end])
  const days = within(hours[0], hours[1], DAY_MS)
  if (days === undefined) return { days: [], hours: spans(hours), parts }
  return { days: spans(days), hours: spans([hours[0], days[0]], [days[1], hours[1]]), parts }
}

/** The time from `start` to `end`, which has no whole hour: cut where one begins. */
function aroundHour(start: number, end: number): Span[] {
  const middle = Math.min(Math.ceil(start / HOUR_MS) * HOUR_MS, end)
  return spans([start, middle], [middle, end])
}

/** The whole units between two moments; undefined where there is none. */
function within(start: number, end: number, unit: number): [number, number] | undefined {
  const [first, last] = [Math.ceil(start / unit) * unit, Math.floor(end / unit) * unit]
  return first < last ? [first, last] : undefined
}

function spans(...bounds: [number, number][]): Span[] {
  return bounds.flatMap(([start, end]) => (start < end ? [[new Date(start), new Date(end)] as const] : []))
}
