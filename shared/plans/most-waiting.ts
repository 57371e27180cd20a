/**
 * How many jobs a tenant may have waiting for a model, by its plan. Derived from the tier and not a limit of the plan's rows, which never
 * change: it guards the queue, and nobody is sold more of it.
 */
import type { Tier } from './tiers.ts'

export const MOST_WAITING: Readonly<Record<Tier, number>> = {
  free: 50,
  starter: 250,
  pro: 1000,
  team: 2500,
  enterprise: 10_000,
}
