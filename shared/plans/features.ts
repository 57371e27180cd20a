/** What a plan has or has not. */
import type { ISql } from 'postgres'
import { Failure } from '../failures.ts'
import type { Feature, Subscriber } from './plan.ts'
import { TIERS, type Tier } from './tiers.ts'

interface Asking {
  /** For the plans on offer, where it has not. */
  db: ISql
  identity: Pick<Subscriber, 'plan'>
}

/**
 * Checks that the caller's plan has a feature.
 *
 * @param to what it takes the feature for, such as `Cannot use budget "deep"`
 * @param available what the plan has in its place
 * @throws Failure TIER_REQUIRED that names the feature and the smallest plan on offer that has it
 */
export async function requireFeature(
  feature: Feature,
  to: string,
  { db, identity }: Asking,
  available?: readonly string[],
): Promise<void> {
  const { plan } = identity
  if (plan.features.includes(feature)) return
  const smallest = await smallestWith(feature, db)
  throw new Failure('TIER_REQUIRED', `${to}: plan "${plan.id}" does not have "${feature}"`, {
    suggestion: smallest === undefined ? 'Ask the operator of this platform' : `Move to plan "${smallest}"`,
    ...(available === undefined ? {} : { available }),
    details: { feature, tier: plan.id, ...(smallest === undefined ? {} : { smallest_plan: smallest }) },
  })
}

async function smallestWith(feature: Feature, db: ISql): Promise<Tier | undefined> {
  const rows = await db<{ id: Tier }[]>`select id from offered_plans() where features ? ${feature}`
  return TIERS.find((tier) => rows.some(({ id }) => id === tier))
}
