/**
 * The people of a tenant: who they are, what they may do, and how they go. Whoever goes is refused everywhere within 5
 * seconds, with all keys and tokens; keys of the tenant stay. People come by invitation (`invitations.ts`).
 */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NextCursor } from '../../shared/contract/pages.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { oneAtATime } from '../../shared/database/one-at-a-time.ts'
import { CREDENTIALS_REVOKED } from '../../shared/events/credentials.ts'
import { MEMBER_EVENTS } from '../../shared/events/event.ts'
import { TENANT_ROLES, type Role } from '../../shared/identity/permissions.ts'
import { requirePermission } from '../../shared/pipeline/check-access.ts'
import { checkRoles } from './api-keys/create.ts'
import { recordAudit, type Audited } from './audit/record.ts'
import {
  BY_ID,
  checkAdminLeft,
  checkChangeable,
  describe,
  findMember,
  holdPeople,
  listMembers,
  Member,
} from './members/rows.ts'

/** For examples. */
const SOMEBODY = '019a0000-0000-7000-8000-000000000000'

const MemberId = z.strictObject({ id: z.uuid() })
const MemberAnswer = z.strictObject({ member: Member })
type MemberAnswer = z.infer<typeof MemberAnswer>

export const members = defineOperation({
  name: 'members',
  summary: 'The people of a tenant, their roles, and their end',
  database: 'central',
  routes: {
    list: route({
      route: 'GET /v1/members',
      summary: 'The people of your tenant, in the order in which they came',
      permission: 'tenant:admin',
      scopes: ['member:read'],
      needs: ['postgres'],
      input: z.strictObject({
        limit: wholeNumber(1, 100).default(20),
        cursor: BY_ID.Cursor.optional(),
      }),
      output: z.strictObject({ members: z.array(Member), next_cursor: NextCursor }),
      handle: (page, call) => listMembers(page, call),
    }),

    get: route({
      route: 'GET /v1/members/:id',
      summary: 'One of them; without being an admin, yourself',
      permission: 'agentese:read',
      scopes: ['member:read'],
      needs: ['postgres'],
      input: MemberId,
      output: MemberAnswer,
      async handle({ id }, call) {
        requireSelfOrAdmin('members.get', id, call)
        return { member: describe(await findMember(id, call)) }
      },
    }),

    change: route({
      route: 'PATCH /v1/members/:id',
      summary: 'Change the roles of somebody',
      permission: 'tenant:admin',
      scopes: ['member:write'],
      needs: ['postgres', 'events'],
      input: MemberId.extend({
        roles: z.array(z.enum(TENANT_ROLES)).min(1).max(TENANT_ROLES.length),
      }),
      output: MemberAnswer,
      examples: [{ summary: 'Somebody who only reads', input: { id: SOMEBODY, roles: ['viewer'] } }],
      writes: true,
      handle: ({ id, roles }, call) => changeRoles(id, [...new Set(roles)], call),
    }),

    remove: route({
      route: 'DELETE /v1/members/:id',
      summary: 'Remove somebody, or leave: keys and tokens of the person are refused within 5 seconds',
      permission: 'agentese:read',
      scopes: ['member:delete'],
      needs: ['postgres', 'events'],
      input: MemberId,
      output: MemberAnswer,
      writes: true,
      handle: ({ id }, call) => remove(id, call),
    }),
  },
})

function requireSelfOrAdmin(operation: string, id: string, { identity }: Pick<Call, 'identity'>): void {
  if (id !== identity.user) requirePermission(operation, 'tenant:admin', identity)
}

async function changeRoles(
  id: string,
  roles: readonly Role[],
  call: Audited & Pick<Call, 'emit'>,
): Promise<MemberAnswer> {
  const { db, identity, emit } = call
  await holdPeople('members.change', call)
  const before = await findMember(id, call)
  checkChangeable(before)
  checkRoles(roles, identity)
  await db`
    update users set roles = array(select jsonb_array_elements_text(${db.json(roles)})) where id = ${id}`
  await checkAdminLeft(call)
  recordAudit(call, 'member.roles_changed', id, { email: before.email, from: before.roles, to: roles })
  emit(CREDENTIALS_REVOKED, { user: id })
  return { member: describe(await findMember(id, call)) }
}

/** The row stays, without the address: what the person has done refers to it. */
async function remove(id: string, call: Audited & Pick<Call, 'emit'>): Promise<MemberAnswer> {
  const { db, identity, emit } = call
  requireSelfOrAdmin('members.remove', id, call)
  if (id === identity.user) await oneAtATime('people', call)
  else await holdPeople('members.remove', call)
  const member = await findMember(id, call)
  checkChangeable(member)
  await db`update users set removed_at = now(), email = null where id = ${id}`
  await checkAdminLeft(call)
  const revoked = await db<{ id: string }[]>`
    update api_keys set revoked_at = now(), revoked_by = ${identity.user}
    where user_id = ${id} and revoked_at is null returning id`
  const { email, roles } = member
  recordAudit(call, 'member.removed', id, { email, roles, keys: revoked.map((key) => key.id) })
  emit(CREDENTIALS_REVOKED, { user: id })
  emit(MEMBER_EVENTS.removed, { member: id, by: identity.user })
  return { member: describe(member) }
}
