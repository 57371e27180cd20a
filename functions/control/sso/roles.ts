/** Roles that follow groups: those of a provider's token at every sign-in, and those of SCIM when they change. */
import type { Call } from '../../../shared/contract/call.ts'
import { CREDENTIALS_REVOKED } from '../../../shared/events/credentials.ts'
import { TENANT_ROLES, type Role } from '../../../shared/identity/permissions.ts'
import { recordAudit, type Audited } from '../audit/record.ts'
import type { ProviderRow } from './providers.ts'

type Mapping = Pick<ProviderRow, 'role_map' | 'default_roles'>

/** The roles of who is in `groups`; undefined where roles do not follow groups. */
export function rolesFor(
  groups: readonly string[],
  { role_map, default_roles }: Mapping,
): Role[] | undefined {
  if (Object.keys(role_map).length === 0) return undefined
  const held = new Set(default_roles)
  for (const group of groups)
    if (Object.hasOwn(role_map, group)) for (const role of role_map[group] ?? []) held.add(role)
  return TENANT_ROLES.filter((role) => held.has(role))
}

/** Whose roles follow groups. */
export interface Holder {
  id: string
  roles: Role[]
}

/**
 * Gives somebody the roles `wanted`, behind the lock under which people change. The last admin stays one, and what the platform
 * has appointed is not a tenant's to change.
 *
 * @param by what they follow, for the audit
 * @returns the roles that the person has then
 */
export async function followRoles(
  { id, roles }: Holder,
  wanted: readonly Role[],
  by: string,
  call: Audited & Pick<Call, 'emit'>,
): Promise<Role[]> {
  if (roles.includes('super_admin')) return roles
  const to = (await keepsAdmin(id, roles, wanted, call)) ? [...wanted, 'admin' as const] : [...wanted]
  if (roles.length === to.length && roles.every((role) => to.includes(role))) return roles
  const { db, emit } = call
  await db`update users set roles = array(select jsonb_array_elements_text(${db.json(to)})) where id = ${id}`
  recordAudit(call, 'member.roles_changed', id, { from: roles, to, by })
  emit(CREDENTIALS_REVOKED, { user: id })
  return to
}

/** Whether it would be the last admin that goes. */
async function keepsAdmin(
  id: string,
  roles: readonly Role[],
  wanted: readonly Role[],
  call: Pick<Call, 'db'>,
): Promise<boolean> {
  if (!roles.includes('admin') || wanted.includes('admin')) return false
  return !(await hasOtherAdmin(id, call))
}

/** Whether anybody but `id` looks after the tenant, and is able to. */
export async function hasOtherAdmin(id: string, { db }: Pick<Call, 'db'>): Promise<boolean> {
  const [other] = await db`
    select from users where id <> ${id} and kind = 'person' and removed_at is null and deactivated_at is null
      and to_jsonb(roles) ?| array['admin', 'super_admin'] limit 1`
  return other !== undefined
}
