/** Rounds the lines of an invoice to whole cents so that they always add up to its total. */
import { add, compare, floor, fraction, round, subtract, ZERO, type Fraction } from '../fraction.ts'

/**
 * Amounts in cents: each is the exact one rounded down or up, and their sum is the exact sum rounded half up. Those that
 * lose most by rounding down are rounded up (the method of the largest remainder); of equal ones the first.
 */
export function roundLines(exact: readonly Fraction[]): bigint[] {
  const total = round(exact.reduce(add, ZERO))
  const rounded = exact.map(floor)
  const left = Number(total - rounded.reduce((sum, each) => sum + each, 0n))
  const remainders = exact.map((each, at) => ({ at, remainder: subtract(each, fraction(floor(each))) }))
  const largest = remainders.toSorted((a, b) => compare(b.remainder, a.remainder) || a.at - b.at)
  for (const { at } of largest.slice(0, left)) rounded[at] = (rounded[at] ?? 0n) + 1n
  return rounded
}
