/** Roles of who is provisioned: by the same maps as at a sign-in, of all providers of the tenant together. */
import type { Call } from '../../../shared/contract/call.ts'
import { TENANT_ROLES, type Role } from '../../../shared/identity/permissions.ts'
import { listProviders } from '../sso/providers.ts'
import { rolesFor } from '../sso/roles.ts'

export interface Mapping {
  /** Whether roles follow groups. */
  follows: boolean
  /** Roles of who is in these groups. */
  roles(groups: readonly string[]): Role[]
}

/** Without any map, who is provisioned only reads. */
const WITHOUT: readonly Role[] = ['viewer']

export async function mappingOf(call: Pick<Call, 'db'>): Promise<Mapping> {
  const providers = await listProviders(call)
  const given = new Set<Role>(providers.flatMap(({ default_roles }) => default_roles))
  const defaults = TENANT_ROLES.filter((role) => given.has(role))
  return {
    follows: providers.some(({ role_map }) => Object.keys(role_map).length > 0),
    roles(groups) {
      const held = new Set(
        providers.flatMap((provider) => rolesFor(groups, provider) ?? provider.default_roles),
      )
      if (providers.length === 0) return [...WITHOUT]
      return held.size > 0 ? TENANT_ROLES.filter((role) => held.has(role)) : defaults
    },
  }
}
