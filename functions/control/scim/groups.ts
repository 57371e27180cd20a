/** Groups of a directory. Their names are what roles follow, so whoever comes in or goes has other roles at once. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { oneAtATime } from '../../../shared/database/one-at-a-time.ts'
import { isJsonObject } from '../../../shared/exact-json.ts'
import { Failure } from '../../../shared/failures.ts'
import type { Role } from '../../../shared/identity/permissions.ts'
import { newId } from '../../../shared/new-id.ts'
import { followRoles } from '../sso/roles.ts'
import { simple, type Operation } from './attributes.ts'
import { invalid, notFound, taken } from './errors.ts'
import { toCondition, type Columns } from './filter.ts'
import { excludes, listOf, type ListQuery } from './list.ts'
import { mappingOf } from './mapping.ts'
import type { Provisioning } from './users.ts'

const GROUP_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Group'
/** Of one tenant. */
const MAX_GROUPS = 1000
/** In one request; a directory sends more in several. */
const MAX_MEMBERS = 2000

interface GroupRow {
  id: string
  display_name: string
  external_id: string | null
  members: { value: string; display: string }[]
  created_at: Date
  updated_at: Date
}

const COLUMNS: Columns = {
  id: { column: 'listed.id', type: 'exact' },
  displayname: { column: 'listed.display_name', type: 'text' },
  externalid: { column: 'listed.external_id', type: 'exact' },
}

/** What a request says of a group; undefined is left as it is. */
export interface GroupAttributes {
  displayName?: string
  externalId?: string | null
  members?: string[]
}

const Text = z.string().trim().min(1).max(200)

export function readGroup(given: Record<string, unknown>): GroupAttributes {
  const attributes: GroupAttributes = {}
  for (const [name, value] of Object.entries(given)) {
    const path = simple(name)
    if (path === 'displayname') attributes.displayName = textOf(value)
    else if (path === 'externalid')
      attributes.externalId = value === null || value === '' ? null : textOf(value)
    else if (path === 'members') attributes.members = idsIn(value)
  }
  return attributes
}

function textOf(value: unknown): string {
  const text = Text.safeParse(value)
  if (text.success) return text.data
  throw invalid('invalidValue', 'a name has to be a text of 1 to 200 characters')
}

function idsIn(value: unknown): string[] {
  const all = value === null || value === undefined ? [] : Array.isArray(value) ? value : [value]
  if (all.length > MAX_MEMBERS) throw invalid('tooMany', `it names more than ${MAX_MEMBERS} members`)
  const ids = z.array(z.uuid()).safeParse(all.map((each) => (isJsonObject(each) ? each['value'] : each)))
  if (ids.success) return [...new Set(ids.data.map((id) => id.toLowerCase()))]
  throw invalid('invalidValue', 'a member is named by the id of its User')
}

function groups({ db }: Pick<Call, 'db'>, withMembers: boolean) {
  const members = withMembers
    ? db`(select coalesce(jsonb_agg(jsonb_build_object('value', u.id, 'display', u.name)), '[]')
        from scim_group_members m join users u on u.id = m.user_id where m.group_id = g.id)`
    : db`'[]'::jsonb`
  return db`select g.id, g.display_name, g.external_id, g.created_at, g.updated_at, ${members} as members from scim_groups g`
}

export async function listGroups(query: ListQuery, call: Pick<Call, 'db'>) {
  const { db } = call
  const where = toCondition(query.filter, COLUMNS, db)
  const all = groups(call, !excludes(query, 'members'))
  const rows = await db<GroupRow[]>`
    select * from (${all}) listed where ${where} order by listed.id offset ${query.startIndex - 1} limit ${query.count}`
  const [counted] = await db<{ total: number }[]>`
    select count(*)::int as total from (${groups(call, false)}) listed where ${where}`
  return listOf(rows.map(describeGroup), counted?.total ?? 0, query)
}

export async function getGroup(id: string, call: Pick<Call, 'db'>, withMembers = true) {
  return describeGroup(await find(id, call, withMembers))
}

async function find(id: string, call: Pick<Call, 'db'>, withMembers = true): Promise<GroupRow> {
  const [row] = await call.db<GroupRow[]>`
    select * from (${groups(call, withMembers)}) listed where listed.id::text = ${id.toLowerCase()}`
  if (row === undefined) throw notFound('Group', id)
  return row
}

function describeGroup({
  id,
  display_name: displayName,
  external_id,
  members,
  created_at,
  updated_at,
}: GroupRow) {
  return {
    schemas: [GROUP_SCHEMA],
    id,
    displayName,
    ...(external_id === null ? {} : { externalId: external_id }),
    members,
    meta: {
      resourceType: 'Group',
      created: created_at.toISOString(),
      lastModified: updated_at.toISOString(),
      location: `/scim/v2/Groups/${id}`,
    },
  }
}

export async function createGroup(wanted: GroupAttributes, call: Provisioning) {
  const { db, identity } = call
  await oneAtATime('people', call)
  const { displayName, externalId = null, members = [] } = wanted
  if (displayName === undefined) throw invalid('invalidValue', '"displayName" is required')
  await checkFree(displayName, undefined, call)
  await checkRoom(call)
  const id = newId()
  await db`
    insert into scim_groups (id, tenant_id, display_name, external_id)
    values (${id}, ${identity.tenant}, ${displayName}, ${externalId})`
  await addMembers(id, members, call)
  await follow(members, call)
  return getGroup(id, call)
}

async function checkFree(displayName: string, own: string | undefined, { db }: Provisioning): Promise<void> {
  const [other] = await db`
    select from scim_groups where display_name = ${displayName} and id is distinct from ${own ?? null}`
  if (other !== undefined) throw taken('that displayName')
}

async function checkRoom({ db }: Provisioning): Promise<void> {
  const [counted] = await db<{ count: number }[]>`select count(*)::int as count from scim_groups`
  if ((counted?.count ?? 0) < MAX_GROUPS) return
  throw new Failure('QUOTA_EXCEEDED', `Cannot add a group: your tenant has ${MAX_GROUPS}`, {
    suggestion: 'Provision those groups only that have a role',
  })
}

/** What a change of a group does to its members. */
interface Members {
  add: string[]
  remove: string[]
}

/** Sets what is named, and exactly these members where any are. */
export async function replaceGroup(id: string, wanted: GroupAttributes, call: Provisioning) {
  await oneAtATime('people', call)
  const before = await find(id, call)
  if (wanted.displayName === undefined) throw invalid('invalidValue', '"displayName" is required')
  await apply(
    before,
    { externalId: null, ...wanted, members: wanted.members ?? [] },
    { add: [], remove: [] },
    call,
  )
  return getGroup(id, call)
}

export async function patchGroup(id: string, operations: readonly Operation[], call: Provisioning) {
  await oneAtATime('people', call)
  const before = await find(id, call)
  const changes: GroupAttributes = {}
  const members: Members = { add: [], remove: [] }
  for (const operation of operations) readOperation(operation, changes, members)
  await apply(before, changes, members, call)
  return getGroup(id, call)
}

function readOperation({ op, path, value }: Operation, changes: GroupAttributes, members: Members): void {
  if (path === undefined) {
    if (!isJsonObject(value)) throw invalid('noTarget', 'an operation has neither a path nor attributes')
    const { members: named, ...rest } = readGroup(value)
    Object.assign(changes, rest)
    if (named !== undefined) changeMembers(op, named, changes, members)
    return
  }
  if (simple(path) === 'members')
    return changeMembers(
      op,
      idOfPath(path) ?? (value === undefined ? undefined : idsIn(value)),
      changes,
      members,
    )
  if (op !== 'remove') Object.assign(changes, readGroup({ [simple(path)]: value }))
  else if (simple(path) === 'externalid') changes.externalId = null
  else if (simple(path) === 'displayname') throw invalid('mutability', '"displayName" cannot be removed')
}

/** The member that `members[value eq "..."]` names. */
function idOfPath(path: string): string[] | undefined {
  const [, filter] = /\[([^\]]*)\]/.exec(path) ?? []
  if (filter === undefined) return undefined
  const [, id] = /^\s*value\s+eq\s+"([^"]*)"\s*$/i.exec(filter) ?? []
  if (id === undefined) throw invalid('invalidPath', 'members are chosen by members[value eq "..."]')
  return idsIn(id)
}

/** Later operations win over earlier ones; without ids, `remove` means all. */
function changeMembers(
  op: Operation['op'],
  ids: string[] | undefined,
  changes: GroupAttributes,
  members: Members,
): void {
  if (op === 'add') {
    members.add = [...new Set([...members.add, ...(ids ?? [])])]
    members.remove = members.remove.filter((id) => ids?.includes(id) !== true)
  } else if (op === 'remove' && ids !== undefined) {
    members.remove = [...new Set([...members.remove, ...ids])]
    members.add = members.add.filter((id) => !ids.includes(id))
  } else {
    changes.members = ids ?? []
    members.add = []
    members.remove = []
  }
}

async function apply(
  before: GroupRow,
  changes: GroupAttributes,
  { add, remove }: Members,
  call: Provisioning,
): Promise<void> {
  const { db } = call
  const { displayName = before.display_name, externalId = before.external_id } = changes
  if (displayName !== before.display_name) await checkFree(displayName, before.id, call)
  await db`
    update scim_groups set display_name = ${displayName}, external_id = ${externalId}, updated_at = now()
    where id = ${before.id}`
  const held = before.members.map(({ value }) => value)
  const wanted = new Set([...(changes.members ?? held), ...add].filter((id) => !remove.includes(id)))
  const gone = held.filter((id) => !wanted.has(id))
  const come = [...wanted].filter((id) => !held.includes(id))
  await db`
    delete from scim_group_members where group_id = ${before.id}
      and user_id in (select value::uuid from jsonb_array_elements_text(${db.json(gone)}))`
  await addMembers(before.id, come, call)
  await follow(
    displayName === before.display_name ? [...gone, ...come] : [...new Set([...held, ...come])],
    call,
  )
}

/** @throws Failure TYPE_MISMATCH where one of them is nobody of the tenant */
async function addMembers(
  group: string,
  ids: readonly string[],
  { db, identity }: Provisioning,
): Promise<void> {
  const added = await db`
    insert into scim_group_members (group_id, user_id, tenant_id)
    select ${group}, u.id, ${identity.tenant} from users u
    where u.kind = 'person' and u.removed_at is null
      and u.id in (select value::uuid from jsonb_array_elements_text(${db.json(ids)}))
    on conflict do nothing returning user_id`
  if (added.length < ids.length) throw invalid('invalidValue', 'a member is no User of your tenant')
}

export async function removeGroup(id: string, call: Provisioning): Promise<void> {
  await oneAtATime('people', call)
  const { id: own, members } = await find(id, call)
  await call.db`delete from scim_groups where id = ${own}`
  await follow(
    members.map(({ value }) => value),
    call,
  )
}

/** Gives people the roles that their groups have now. */
async function follow(people: readonly string[], call: Provisioning): Promise<void> {
  const mapping = await mappingOf(call)
  if (!mapping.follows || people.length === 0) return
  const { db } = call
  const rows = await db<{ id: string; roles: Role[]; groups: string[] }[]>`
    select u.id, to_jsonb(u.roles) as roles,
      (select coalesce(jsonb_agg(g.display_name), '[]') from scim_group_members m join scim_groups g on g.id = m.group_id
        where m.user_id = u.id) as groups
    from users u where u.removed_at is null
      and u.id in (select value::uuid from jsonb_array_elements_text(${db.json(people)}))`
  for (const row of rows) await followRoles(row, mapping.roles(row.groups), 'SCIM', call)
}
