/** Who acts where the platform itself does: for a tenant and no person in it, and it is no use of its plan. */
import type { Identity } from '../identity/identity.ts'
import { NOBODY } from '../identity/nobody.ts'
import { UNLIMITED } from '../plans/unlimited.ts'

export function platformIdentity(tenant: string): Identity {
  const { id: tier, version: planVersion } = UNLIMITED
  return { tenant, tier, planVersion, plan: UNLIMITED, user: NOBODY, roles: [], permissions: [] }
}
