/** A straight line through counts, and what it says of the buckets to come. Ordinary least squares, from any textbook. */

export interface Forecast {
  trend: 'rising' | 'falling' | 'flat'
  slope_per_bucket: number
  /** Sum over the buckets ahead; never below 0, as what is counted cannot be. */
  expected: number
  low: number
  high: number
  /** R², 0 to 1. */
  confidence: number
}

/** Student's t, two-sided: 80 % for the interval, 95 % for whether there is a trend at all. Index is degrees of freedom - 1. */
const T80 = [3.078, 1.886, 1.638, 1.533, 1.476, 1.44, 1.415, 1.397, 1.383, 1.372]
const T95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228]
/** The normal distribution's, which t comes to. */
const NORMAL = { t80: 1.282, t95: 1.96 }

/**
 * Forecasts the sum of the next `ahead` buckets.
 *
 * @param counts one per bucket, oldest first; with fewer than three there is no line, and the mean goes on
 */
export function forecastTotal(counts: readonly number[], ahead: number): Forecast {
  const n = counts.length
  const meanY = sum(counts) / Math.max(1, n)
  if (n < 3) return flat(meanY * ahead)
  const meanX = (n - 1) / 2
  const sxx = sum(counts.map((_, x) => (x - meanX) ** 2))
  const sxy = sum(counts.map((y, x) => (x - meanX) * (y - meanY)))
  const syy = sum(counts.map((y) => (y - meanY) ** 2))
  const slope = sxy / sxx
  const residual = Math.max(0, syy - slope * sxy)
  const variance = residual / (n - 2)
  const middle = n + (ahead - 1) / 2 - meanX
  const expected = ahead * (meanY + slope * middle)
  // Of each bucket ahead, and of the line itself, which all of them share.
  const deviation = Math.sqrt(variance * (ahead + ahead ** 2 * (1 / n + middle ** 2 / sxx)))
  const margin = tOf(T80, n - 2, NORMAL.t80) * deviation
  const significant = Math.abs(slope) > tOf(T95, n - 2, NORMAL.t95) * Math.sqrt(variance / sxx)
  return {
    trend: !significant ? 'flat' : slope > 0 ? 'rising' : 'falling',
    slope_per_bucket: slope,
    expected: Math.max(0, expected),
    low: Math.max(0, expected - margin),
    high: Math.max(0, expected + margin),
    confidence: syy === 0 ? (n >= 3 ? 1 : 0) : Math.min(1, Math.max(0, 1 - residual / syy)),
  }
}

function flat(expected: number): Forecast {
  return { trend: 'flat', slope_per_bucket: 0, expected, low: 0, high: 2 * expected, confidence: 0 }
}

function tOf(table: readonly number[], freedom: number, normal: number): number {
  // Beyond the table, t exceeds the normal's quantile z by about (z^3 + z) / 4 per degree of freedom (Cornish-Fisher).
  return table[freedom - 1] ?? normal + (normal ** 3 + normal) / (4 * freedom)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
