/** For how many days records of the audit are kept, by the plan that the tenant has now; null is for ever. */
import type { Tier } from './tiers.ts'

export const AUDIT_DAYS: Record<Tier, number | null> = {
  free: 30,
  starter: 90,
  pro: 365,
  team: 730,
  enterprise: null,
}
