/** The plans that a tenant can be on, from the smallest to the largest. */
export const TIERS = ['free', 'starter', 'pro', 'team', 'enterprise'] as const
export type Tier = (typeof TIERS)[number]
