/** People of a tenant, as SCIM sees them: all of its members, whoever has brought them in. */
import type { Call } from '../../../shared/contract/call.ts'
import { oneAtATime } from '../../../shared/database/one-at-a-time.ts'
import { CREDENTIALS_REVOKED } from '../../../shared/events/credentials.ts'
import { MEMBER_EVENTS } from '../../../shared/events/event.ts'
import { Failure } from '../../../shared/failures.ts'
import type { Role } from '../../../shared/identity/permissions.ts'
import { newId } from '../../../shared/new-id.ts'
import { recordAudit, type Audited } from '../audit/record.ts'
import { hasOtherAdmin } from '../sso/roles.ts'
import { takeSeat } from '../../../shared/plans/seats.ts'
import { address, type UserAttributes } from './attributes.ts'
import { invalid, notFound, taken } from './errors.ts'
import { toCondition, type Columns } from './filter.ts'
import { listOf, type ListQuery } from './list.ts'
import { mappingOf } from './mapping.ts'

export type Provisioning = Audited & Pick<Call, 'emit'>

const USER_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:User'

interface UserRow {
  id: string
  user_name: string
  external_id: string | null
  display_name: string
  given_name: string | null
  family_name: string | null
  email: string
  active: boolean
  roles: Role[]
  groups: { value: string; display: string }[]
  created_at: Date
  updated_at: Date
}

const COLUMNS: Columns = {
  id: { column: 'listed.id', type: 'exact' },
  username: { column: 'listed.user_name', type: 'text' },
  externalid: { column: 'listed.external_id', type: 'exact' },
  displayname: { column: 'listed.display_name', type: 'text' },
  'name.formatted': { column: 'listed.display_name', type: 'text' },
  'name.givenname': { column: 'listed.given_name', type: 'text' },
  'name.familyname': { column: 'listed.family_name', type: 'text' },
  emails: { column: 'listed.email', type: 'text' },
  'emails.value': { column: 'listed.email', type: 'text' },
  active: { column: 'listed.active', type: 'boolean' },
}

function people({ db }: Pick<Call, 'db'>) {
  return db`
    select u.id, coalesce(s.user_name, u.email) as user_name, s.external_id, u.name as display_name, s.given_name,
      s.family_name, u.email, u.deactivated_at is null as active, to_jsonb(u.roles) as roles, u.created_at,
      coalesce(s.updated_at, u.created_at) as updated_at,
      (select coalesce(jsonb_agg(jsonb_build_object('value', g.id, 'display', g.display_name)), '[]')
        from scim_group_members m join scim_groups g on g.id = m.group_id where m.user_id = u.id) as groups
    from users u left join scim_users s on s.user_id = u.id where u.kind = 'person' and u.removed_at is null`
}

export async function listUsers(query: ListQuery, call: Pick<Call, 'db'>) {
  const { db } = call
  const where = toCondition(query.filter, COLUMNS, db)
  const rows = await db<(UserRow & { total: number })[]>`
    select listed.*, count(*) over ()::int as total from (${people(call)}) listed
    where ${where} order by listed.id offset ${query.startIndex - 1} limit ${query.count}`
  const [counted] =
    rows.length > 0
      ? rows
      : await db<
          { total: number }[]
        >`select count(*)::int as total from (${people(call)}) listed where ${where}`
  return listOf(rows.map(describeUser), counted?.total ?? 0, query)
}

export async function getUser(id: string, call: Pick<Call, 'db'>) {
  return describeUser(await find(id, call))
}

async function find(id: string, call: Pick<Call, 'db'>): Promise<UserRow> {
  const [row] = await call.db<
    UserRow[]
  >`select * from (${people(call)}) listed where listed.id::text = ${id.toLowerCase()}`
  if (row === undefined) throw notFound('User', id)
  return row
}

function describeUser(row: UserRow) {
  const {
    id,
    user_name: userName,
    external_id,
    display_name: displayName,
    given_name,
    family_name,
    email,
  } = row
  return {
    schemas: [USER_SCHEMA],
    id,
    userName,
    ...(external_id === null ? {} : { externalId: external_id }),
    displayName,
    name: {
      formatted: displayName,
      ...(given_name === null ? {} : { givenName: given_name }),
      ...(family_name === null ? {} : { familyName: family_name }),
    },
    emails: [{ value: email, primary: true }],
    active: row.active,
    groups: row.groups,
    roles: row.roles.map((value) => ({ value })),
    meta: {
      resourceType: 'User',
      created: row.created_at.toISOString(),
      lastModified: row.updated_at.toISOString(),
      location: `/scim/v2/Users/${id}`,
    },
  }
}

/** @throws Failure STATE_CONFLICT where the name or the address is somebody's, QUOTA_EXCEEDED where there is no seat */
export async function createUser(wanted: UserAttributes, call: Provisioning) {
  const { db, identity, emit } = call
  await oneAtATime('people', call)
  const { userName } = wanted
  if (userName === undefined) throw invalid('invalidValue', '"userName" is required')
  const email = wanted.email ?? address(userName)
  await checkFree({ userName, email }, undefined, call)
  await takeSeat(call)
  const { roles } = await mappingOf(call)
  const given = roles([])
  const id = newId()
  const name = nameOf(wanted) ?? userName
  await db`
    insert into users (id, tenant_id, email, name, roles)
    values (${id}, ${identity.tenant}, ${email}, ${name}, array(select jsonb_array_elements_text(${db.json(given)})))`
  await db`
    insert into scim_users (user_id, tenant_id, user_name, external_id, given_name, family_name)
    values (${id}, ${identity.tenant}, ${userName}, ${wanted.externalId ?? null}, ${wanted.givenName ?? null},
      ${wanted.familyName ?? null})`
  recordAudit(call, 'member.provisioned', id, { email, roles: given, by: 'SCIM' })
  emit(MEMBER_EVENTS.joined, { member: id, email, name, roles: given })
  if (wanted.active === false) await deactivate(await find(id, call), call)
  return describeUser(await find(id, call))
}

function nameOf({ displayName, givenName, familyName }: UserAttributes): string | undefined {
  const full = [givenName, familyName].filter((part) => part !== undefined && part !== null).join(' ')
  return displayName ?? (full === '' ? undefined : full)
}

async function checkFree(
  { userName, email }: { userName: string | undefined; email: string | undefined },
  own: string | undefined,
  call: Pick<Call, 'db'>,
): Promise<void> {
  const [other] = await call.db<{ user_name: string }[]>`
    select user_name from (${people(call)}) listed
    where listed.id is distinct from ${own ?? null}
      and (lower(listed.user_name) = ${userName?.toLowerCase() ?? null} or lower(listed.email) = ${email ?? null}) limit 1`
  if (other !== undefined) throw taken('that userName or address')
}

/** @throws Failure NOT_FOUND, AFFORDANCE_DENIED for an operator, STATE_CONFLICT where no admin would be left */
export async function changeUser(id: string, changes: UserAttributes, call: Provisioning) {
  const { db, identity } = call
  await oneAtATime('people', call)
  const before = await find(id, call)
  checkChangeable(before)
  const { userName, email, externalId, givenName, familyName, active } = changes
  await checkFree({ userName, email }, before.id, call)
  await db`
    insert into scim_users as kept (user_id, tenant_id, user_name, external_id, given_name, family_name)
    values (${before.id}, ${identity.tenant}, ${userName ?? before.user_name}, ${pick(externalId, before.external_id)},
      ${pick(givenName, before.given_name)}, ${pick(familyName, before.family_name)})
    on conflict (user_id) do update set user_name = excluded.user_name, external_id = excluded.external_id,
      given_name = excluded.given_name, family_name = excluded.family_name, updated_at = now()`
  const name = nameOf(changes)
  if (email !== undefined && email !== before.email)
    await db`update users set email = ${email} where id = ${before.id}`
  if (name !== undefined && name !== before.display_name)
    await db`update users set name = ${name} where id = ${before.id}`
  if (email !== undefined && email !== before.email)
    recordAudit(call, 'member.renamed', before.id, { from: before.email, to: email })
  if (active === false && before.active) await deactivate(before, call)
  if (active === true && !before.active) await reactivate(before, call)
  return describeUser(await find(before.id, call))
}

function pick(changed: string | null | undefined, before: string | null): string | null {
  return changed === undefined ? before : changed
}

/** All that a replacement does not name is removed, but for what a person must have. */
export function replaceUser(id: string, wanted: UserAttributes, call: Provisioning) {
  if (wanted.userName === undefined) throw invalid('invalidValue', '"userName" is required')
  return changeUser(
    id,
    { externalId: null, givenName: null, familyName: null, active: true, ...wanted },
    call,
  )
}

/** Whoever it is can do nothing from now on: sessions and keys end, and tokens are refused as soon as they are checked again. */
async function deactivate(row: UserRow, call: Provisioning): Promise<void> {
  await checkAdmin(row, call)
  const { db, emit } = call
  await db`update users set deactivated_at = now() where id = ${row.id}`
  await endCredentials(row.id, call)
  recordAudit(call, 'member.deactivated', row.id, { email: row.email })
  emit(CREDENTIALS_REVOKED, { user: row.id })
}

async function reactivate({ id, email }: UserRow, call: Provisioning): Promise<void> {
  await call.db`update users set deactivated_at = null where id = ${id}`
  recordAudit(call, 'member.reactivated', id, { email })
}

async function endCredentials(id: string, { db, identity }: Provisioning): Promise<void> {
  await db`delete from browser_sessions where user_id = ${id}`
  await db`
    update api_keys set revoked_at = now(), revoked_by = ${identity.user} where user_id = ${id} and revoked_at is null`
}

/** Removes somebody for good; the row stays, without the address: what the person has done refers to it. */
export async function removeUser(id: string, call: Provisioning): Promise<void> {
  const { db, identity, emit } = call
  await oneAtATime('people', call)
  const row = await find(id, call)
  checkChangeable(row)
  await checkAdmin(row, call)
  await db`delete from scim_group_members where user_id = ${row.id}`
  await db`delete from scim_users where user_id = ${row.id}`
  // Whether somebody comes back is for the directory to say.
  await db`delete from identity_links where user_id = ${row.id}`
  await db`update users set removed_at = now(), email = null where id = ${row.id}`
  await endCredentials(row.id, call)
  recordAudit(call, 'member.removed', row.id, { email: row.email, roles: row.roles, by: 'SCIM' })
  emit(CREDENTIALS_REVOKED, { user: row.id })
  emit(MEMBER_EVENTS.removed, { member: row.id, by: identity.user })
}

function checkChangeable({ id, roles }: UserRow): void {
  if (!roles.includes('super_admin')) return
  throw new Failure('AFFORDANCE_DENIED', `Cannot change User "${id}": the platform has appointed it`, {
    scimType: 'mutability',
  })
}

async function checkAdmin({ id, roles, active }: UserRow, call: Provisioning): Promise<void> {
  if (!active || !roles.includes('admin') || (await hasOtherAdmin(id, call))) return
  throw new Failure('STATE_CONFLICT', `Cannot lock out User "${id}": the tenant would have no admin left`, {
    suggestion: 'Make somebody else an admin first',
    scimType: 'mutability',
  })
}
