/** What a plan must have for its tenant to sign in by a provider, or to have its people provisioned. */
import { Failure } from '../../../shared/failures.ts'
import type { Identity } from '../../../shared/identity/identity.ts'

type Feature = 'sso' | 'scim'
type Subscriber = Pick<Identity, 'plan'>

export function hasFeature(feature: Feature, { plan }: Subscriber): boolean {
  return plan.features.includes(feature)
}

/** @throws Failure TIER_REQUIRED */
export function requireFeature(feature: Feature, subscriber: Subscriber): void {
  if (hasFeature(feature, subscriber)) return
  const { id: tier } = subscriber.plan
  throw new Failure('TIER_REQUIRED', `Cannot use ${feature.toUpperCase()}: plan "${tier}" does not have it`, {
    suggestion: 'Move to plan "enterprise"',
    details: { feature, tier },
  })
}
