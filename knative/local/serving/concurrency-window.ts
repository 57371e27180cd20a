/**
 * Concurrency averaged over a sliding window, in buckets of one second, as Knative's metrics collector does it.
 *
 * The average is the sum of the buckets over the number of those that can hold something: a window that has just
 * begun counts the seconds since its first sample, and a second without a sample counts as 0.
 */
export interface ConcurrencyWindow {
  /** Adds to the second that `at` falls in. Samples of several reporters in one second add up. */
  record(at: number, concurrency: number): void
  /** The average at `at`, rounded to six digits. */
  average(at: number): number
  /** Whether nothing was recorded for longer than the window. */
  isEmpty(at: number): boolean
}

/** A window of `seconds` whole seconds. Times are seconds on any clock that does not run backwards. */
export function createConcurrencyWindow(seconds: number): ConcurrencyWindow {
  const buckets = new Float64Array(seconds)
  let first = -Infinity
  let last = -Infinity
  let total = 0

  /** Empties the buckets of seconds that nobody reported, up to and including `second`. */
  function advance(second: number): void {
    if (second - last >= seconds) {
      buckets.fill(0)
      total = 0
      first = second
    }
    for (let each = Math.max(last + 1, second - seconds + 1); each <= second; each += 1) {
      total -= buckets[each % seconds] ?? 0
      buckets[each % seconds] = 0
    }
    last = second
  }

  return {
    record(at, concurrency) {
      const second = Math.floor(at)
      if (second > last) advance(second)
      if (second <= last - seconds) return
      buckets[second % seconds] = (buckets[second % seconds] ?? 0) + concurrency
      total += concurrency
    },
    average(at) {
      const now = Math.floor(at)
      const silent = Math.max(0, now - last)
      if (silent >= seconds) return 0
      let sum = total
      for (let each = last + 1; each <= now; each += 1) sum -= buckets[each % seconds] ?? 0
      return round(sum / Math.min(last - first + 1, seconds - silent))
    },
    isEmpty(at) {
      return Math.floor(at) - last > seconds
    },
  }
}

/** Sums of floating point numbers drift; without this an idle function keeps a pod for 1e-17 of a request. */
function round(value: number): number {
  return Math.round(value * 1e6) / 1e6
}
