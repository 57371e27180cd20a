/** Roles of a tenant's people, and what each may do. A token carries both; functions check permissions only. */

export const ROLES = ['viewer', 'developer', 'admin', 'super_admin'] as const
export type Role = (typeof ROLES)[number]

/** Those that a tenant's admin may give. */
export const TENANT_ROLES = ['viewer', 'developer', 'admin'] as const satisfies Role[]

export const PERMISSIONS = [
  'agentese:read',
  'agentese:invoke',
  'agentese:write',
  'kgent:create',
  'jobs:read',
  'jobs:cancel',
  'events:write',
  'subscriptions:write',
  'billing:read',
  'billing:manage',
  'tenant:admin',
  'platform:operate',
] as const
export type Permission = (typeof PERMISSIONS)[number]

const VIEWER = ['agentese:read', 'jobs:read'] as const satisfies Permission[]
const DEVELOPER = [
  ...VIEWER,
  'agentese:invoke',
  'agentese:write',
  'kgent:create',
  'jobs:cancel',
  'events:write',
  'subscriptions:write',
  'billing:read',
] as const satisfies Permission[]
const ADMIN = [...DEVELOPER, 'billing:manage', 'tenant:admin'] as const satisfies Permission[]
/** Of those who run the platform; no tenant can give it. */
const OPERATOR = [...ADMIN, 'platform:operate'] as const satisfies Permission[]

const ROLE_PERMISSIONS: Record<Role, readonly Permission[]> = {
  viewer: VIEWER,
  developer: DEVELOPER,
  admin: ADMIN,
  super_admin: OPERATOR,
}

/** Everything that at least one of `roles` allows. */
export function permissionsOf(roles: readonly Role[]): Permission[] {
  const held = new Set(roles.flatMap((role) => ROLE_PERMISSIONS[role]))
  return PERMISSIONS.filter((permission) => held.has(permission))
}
