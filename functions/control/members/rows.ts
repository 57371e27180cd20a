/** The people of a tenant as they are stored and shown, and what changes of them must see each other. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import { oneAtATime } from '../../../shared/database/one-at-a-time.ts'
import { Failure } from '../../../shared/failures.ts'
import { permissionsOf, ROLES, type Role } from '../../../shared/identity/permissions.ts'
import { requirePermission } from '../../../shared/pipeline/check-access.ts'

export const Member = z.strictObject({
  id: z.uuid(),
  email: z.string(),
  name: z.string(),
  roles: z.array(z.enum(ROLES)),
  joined_at: z.string(),
})

export interface MemberRow {
  id: string
  email: string
  name: string
  roles: Role[]
  created_at: Date
}

export const BY_ID = orderBy({ id: 'uuid' }, 'asc')

/** An address as it is compared and kept. Domains know no case, and nobody distinguishes mailboxes by it. */
export const Address = z
  .string()
  .trim()
  .max(254)
  .toLowerCase()
  .pipe(z.email('is no e-mail address'))
  .meta({ format: 'email' })

export async function listMembers(bounds: Bounds, { db }: Pick<Call, 'db'>) {
  const members = db<MemberRow[]>`
    select id, email, name, to_jsonb(roles) as roles, created_at from users
    where kind = 'person' and removed_at is null`
  const { page, next_cursor } = await BY_ID.readPage(db, members, bounds)
  return { members: page.map(describe), next_cursor }
}

/** @throws Failure NOT_FOUND for one who was removed, too */
export async function findMember(id: string, { db }: Pick<Call, 'db'>): Promise<MemberRow> {
  const [row] = await db<MemberRow[]>`
    select id, email, name, to_jsonb(roles) as roles, created_at from users
    where id = ${id} and kind = 'person' and removed_at is null`
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', `Cannot find member "${id}"`, { suggestion: 'GET /v1/members lists them' })
}

export function describe({ id, email, name, roles, created_at }: MemberRow): z.infer<typeof Member> {
  return { id, email, name, roles, joined_at: created_at.toISOString() }
}

/**
 * Makes the changes of a tenant's people happen one after the other, and checks that the caller still may make one: it may
 * have been the subject of the change before.
 *
 * @throws Failure SCOPE_MISSING
 */
export async function holdPeople(operation: string, call: Pick<Call, 'db' | 'identity'>): Promise<void> {
  await oneAtATime('people', call)
  const { db, identity } = call
  const [now] = await db<{ roles: Role[] }[]>`
    select to_jsonb(roles) as roles from users where id = ${identity.user} and removed_at is null`
  const permissions = permissionsOf(now?.roles ?? [])
  requirePermission(operation, 'tenant:admin', { ...identity, permissions })
}

/** @throws Failure STATE_CONFLICT where nobody is left who could look after the tenant */
export async function checkAdminLeft({ db }: Pick<Call, 'db'>): Promise<void> {
  const [admin] = await db`
    select from users where kind = 'person' and removed_at is null and deactivated_at is null
      and to_jsonb(roles) ?| array['admin', 'super_admin'] limit 1`
  if (admin !== undefined) return
  throw new Failure('STATE_CONFLICT', 'Cannot take this away: your tenant would have no admin left', {
    suggestion: 'Make somebody else an admin first',
  })
}

/** @throws Failure AFFORDANCE_DENIED for an operator of the platform, which no tenant has a say in */
export function checkChangeable({ id, roles }: MemberRow): void {
  if (!roles.includes('super_admin')) return
  throw new Failure('AFFORDANCE_DENIED', `Cannot change member "${id}": the platform has appointed it`, {
    suggestion: 'Ask an operator of this platform',
  })
}
