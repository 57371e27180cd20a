/** The few numbers that a list of measurements is told by. */

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** The value that the fraction `share` of all values do not exceed; NaN where there are none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

/** The median of what each round says by itself: what disturbs a whole round disturbs both sides of its ratio. */
export function medianRatio(values: readonly number[], references: readonly number[]): number {
  return median(values.map((value, at) => value / (references[at] ?? Number.NaN)))
}

/** Milliseconds until `work` is done. */
export async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}
