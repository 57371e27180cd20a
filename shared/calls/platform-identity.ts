/** Who acts where the platform itself does: for a tenant, and for no person in it. */
import type { Identity } from '../identity/identity.ts'

const NOBODY = '00000000-0000-0000-0000-000000000000'

export function platformIdentity(tenant: string): Identity {
  return { tenant, tier: 'free', user: NOBODY, roles: [], permissions: [] }
}
