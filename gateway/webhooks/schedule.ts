/** When a delivery that failed is tried again. */

/** Sinks that failed together must not all be asked again at once. */
const SPREAD = 0.1

/**
 * Milliseconds until the next attempt; undefined where `attempt` was the last.
 *
 * @param attempt 1 for the first
 * @param asked seconds that the sink asks to be left alone; taken as far as the longest wait
 */
export function retryDelay(
  attempt: number,
  schedule: readonly number[],
  asked = 0,
  random = Math.random(),
): number | undefined {
  const planned = schedule[attempt - 1]
  if (planned === undefined) return undefined
  const seconds = Math.max(planned, Math.min(asked, Math.max(...schedule)))
  return Math.ceil(seconds * 1000 * (1 + random * SPREAD))
}
