/** When a delivery that failed is tried again. */

/** Seconds for which a sink may ask to be left alone: streams keep events for days, and nobody looks for longer. */
const MAX_ASKED = 43_200

/** Sinks that failed together must not all be asked again at once. */
const SPREAD = 0.1

/**
 * Milliseconds until the next attempt; undefined where `attempt` was the last.
 *
 * @param attempt 1 for the first
 * @param asked seconds that the sink asks to be left alone; twelve hours at most
 */
export function retryDelay(
  attempt: number,
  schedule: readonly number[],
  asked = 0,
  random = Math.random(),
): number | undefined {
  const planned = schedule[attempt - 1]
  if (planned === undefined) return undefined
  const seconds = Math.max(planned, Math.min(asked, MAX_ASKED))
  return Math.ceil(seconds * 1000 * (1 + random * SPREAD))
}

/** Milliseconds for which nothing is sent to a sink that asks to be left alone. */
export function quietMs(asked = 0): number {
  return Math.min(asked, MAX_ASKED) * 1000
}
