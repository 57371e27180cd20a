/** What tokens cost at list price, so that a trace can say what it came to. What is invoiced follows from the plan. */

/** $0.01 for 1,000. */
const CENTS_PER_TOKEN = 0.001
/** Decimals of a cent that are shown. */
const SCALE = 6

/** US dollars for tokens of a job of which no cost is kept. */
export function usdOf(tokens: { prompt: number; completion: number }): number {
  return (centsOf({ tokens: tokens.prompt + tokens.completion }) * 1_000_000) / 100_000_000
}

export function centsOf(charges: Readonly<Record<string, number>>): number {
  return Number(((charges['tokens'] ?? 0) * CENTS_PER_TOKEN).toFixed(SCALE))
}
