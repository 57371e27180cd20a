/** What tokens cost at list price, so that a trace can say what it came to. What is invoiced follows from the plan. */

/** $0.01 for 1,000. */
const CENTS_PER_TOKEN = 0.001
/** Decimals of a cent that are shown. */
const SCALE = 6

export function centsOf(charges: Readonly<Record<string, number>>): number {
  return Number(((charges['tokens'] ?? 0) * CENTS_PER_TOKEN).toFixed(SCALE))
}
