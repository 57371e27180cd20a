/** Which crystals of a person say most about what it has done lately, as far as they fit into a prompt. */
import type { Call } from '../../../../shared/contract/call.ts'
import { estimateTokens } from '../../../../shared/inference/messages.ts'
import { findNewest, type Crystal } from './crystal-rows.ts'

export const CONTEXT_TOKENS = 2000
/** How much it counts how recent a crystal is; the rest is how much it stands for. */
const RECENCY_WEIGHT = 0.7
/** After so many days a crystal counts half as recent. */
const HALF_LIFE_DAYS = 7
/** A crystal that stands for so many marks counts in full. */
const FULL_MARKS = 50
const DAY_MS = 86_400_000

/**
 * The best crystals of the caller within `tokens`, oldest first. The crystal of a day stands for those that it is made of.
 *
 * @param now the moment that recency is measured from
 */
export async function crystalContext(
  call: Pick<Call, 'db' | 'identity'>,
  { tokens = CONTEXT_TOKENS, now = new Date() }: { tokens?: number; now?: Date } = {},
): Promise<{ crystals: Crystal[]; tokens: number }> {
  return chooseCrystals(await findNewest(call), tokens, now)
}

/** The same of crystals that are at hand. */
export function chooseCrystals(
  crystals: readonly Crystal[],
  tokens: number,
  now: Date,
): { crystals: Crystal[]; tokens: number } {
  const ranked = crystals
    .map((crystal) => ({ crystal, score: scoreOf(crystal, now), cost: estimateTokens([crystal.summary]) }))
    .sort((a, b) => b.score - a.score || (a.crystal.id < b.crystal.id ? -1 : 1))
  const chosen = new Map<string, Crystal>()
  let used = 0
  for (const { crystal, cost } of ranked) {
    const isSaid = crystal.sources.some((id) => chosen.has(id)) || chosen.has(crystal.part_of ?? '')
    if (isSaid || used + cost > tokens) continue
    chosen.set(crystal.id, crystal)
    used += cost
  }
  const inOrder = [...chosen.values()].sort((a, b) => (a.ends_at < b.ends_at ? -1 : 1))
  return { crystals: inOrder, tokens: used }
}

function scoreOf({ ends_at, counts }: Crystal, now: Date): number {
  const days = Math.max(0, now.getTime() - Date.parse(ends_at)) / DAY_MS
  const substance = Math.min(1, counts.marks / FULL_MARKS)
  return RECENCY_WEIGHT * 2 ** (-days / HALF_LIFE_DAYS) + (1 - RECENCY_WEIGHT) * substance
}
