/** What a new tenant's plan grants, as far as joining and provisioning need it. */
import type { Db } from '../database/database.ts'
import { TOKENS_PER_MONTH } from '../plans/allowance.ts'
import { SEATS } from '../plans/seats.ts'
import type { Tier } from '../plans/tiers.ts'

export interface PlanLimits {
  tier: Tier
  /** Null is without limit, also below. */
  tokensPerMonth: number | null
  seats: number | null
}

/** Of the tenant of a transaction. */
export async function planLimits(db: Db): Promise<PlanLimits> {
  const [row] = await db<{ tier: Tier }[]>`select tier from tenants`
  const tier = row?.tier ?? 'free'
  return { tier, tokensPerMonth: TOKENS_PER_MONTH[tier], seats: SEATS[tier] }
}
