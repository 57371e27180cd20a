/** How many people a tenant may have, by its plan; services that act by keys of the tenant take no seat. */
import type { Tier } from './tiers.ts'

/** Null is without limit. The free plan is for one person. */
export const SEATS: Record<Tier, number | null> = {
  free: 1,
  starter: 1,
  pro: 5,
  team: null,
  enterprise: null,
}
