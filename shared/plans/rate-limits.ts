/** The rate limits of the plans. */
import type { Tier } from './tiers.ts'

export interface RateLimit {
  /** Requests that a tenant may make in the long run, per minute and per hour. */
  perMinute: number
  perHour: number
  /** Requests that a tenant who has been quiet may make at once. */
  burst: number
}

export const RATE_LIMITS: Readonly<Record<Tier, RateLimit>> = {
  free: { perMinute: 60, perHour: 1000, burst: 10 },
  starter: { perMinute: 300, perHour: 10_000, burst: 50 },
  pro: { perMinute: 1000, perHour: 50_000, burst: 200 },
  team: { perMinute: 3000, perHour: 150_000, burst: 600 },
  enterprise: { perMinute: 10_000, perHour: 1_000_000, burst: 2000 },
}
