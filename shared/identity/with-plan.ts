/** Identities with the plan that their tenant has bought, from those that name its version. */
import type { FindPlan } from '../plans/plan-book.ts'
import type { Identity, StoredIdentity } from './identity.ts'

export async function addPlan(stored: StoredIdentity, findPlan: FindPlan): Promise<Identity> {
  return { ...stored, plan: await findPlan(stored.tier, stored.planVersion ?? 1) }
}

/**
 * Makes of a check that comes to a stored identity one that comes to an identity with its plan: the same object for the same
 * stored one.
 */
export function withPlan(check: (credential: string) => Promise<StoredIdentity>, findPlan: FindPlan) {
  const known = new WeakMap<StoredIdentity, Identity>()
  return async (credential: string): Promise<Identity> => {
    const stored = await check(credential)
    const identity = known.get(stored)
    if (identity !== undefined) return identity
    const made = await addPlan(stored, findPlan)
    known.set(stored, made)
    return made
  }
}
