/** Credits that are sold together, and what they cost. */
export const CREDIT_PACKS = [
  { credits: 500, cents: 500 },
  { credits: 2500, cents: 2000 },
  { credits: 10_000, cents: 6000 },
] as const

export type PackSize = (typeof CREDIT_PACKS)[number]['credits']
export const PACK_SIZES: readonly PackSize[] = CREDIT_PACKS.map(({ credits }) => credits)

/** What a pack of that many credits costs, in cents; undefined where there is none. */
export function priceOfPack(credits: number): number | undefined {
  return CREDIT_PACKS.find((pack) => pack.credits === credits)?.cents
}
