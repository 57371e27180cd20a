/** How large a share of the pool a tenant gets while others wait too, by its plan: tokens are shared in proportion to these. */
import { TIERS, type Tier } from '../../../shared/plans/tiers.ts'

export const WEIGHTS: Readonly<Record<Tier, number>> = { free: 1, starter: 2, pro: 4, team: 4, enterprise: 8 }

/** The tier that PostgreSQL has for a tenant; the smallest where it has none. */
export function readTier(text: string | null): Tier {
  return TIERS.find((tier) => tier === text) ?? 'free'
}
