/**
 * Lets in whom a provider speaks for. A person is known by issuer and subject. An address makes somebody known once, and only
 * where the provider has verified it and may speak for its domain.
 */
import type { Call } from '../../../shared/contract/call.ts'
import { oneAtATime } from '../../../shared/database/one-at-a-time.ts'
import { MEMBER_EVENTS } from '../../../shared/events/event.ts'
import { Failure } from '../../../shared/failures.ts'
import type { Role } from '../../../shared/identity/permissions.ts'
import { newId } from '../../../shared/new-id.ts'
import { takeSeat } from '../../../shared/plans/seats.ts'
import { joinByDomain } from '../../../shared/tenancy/domains.ts'
import { recordAudit, type Audited } from '../audit/record.ts'
import type { Person } from './claims.ts'
import type { ProviderRow } from './providers.ts'
import { followRoles, rolesFor } from './roles.ts'

export interface Admitted {
  id: string
  roles: Role[]
}

type Admitting = Audited & Pick<Call, 'emit'>

interface UserRow {
  id: string
  roles: Role[]
  removed: boolean
  deactivated: boolean
}

/**
 * The person of this transaction's tenant that the provider speaks for, with the roles that its groups give.
 *
 * @returns somebody without a role where all groups were taken away; that is to be committed, and then refused by `checkRole`
 * @throws Failure AFFORDANCE_DENIED where it is nobody of the tenant and may not become one; QUOTA_EXCEEDED where there is no seat
 */
export async function admit(person: Person, provider: ProviderRow, call: Admitting): Promise<Admitted> {
  await oneAtATime('people', call)
  const linked = await findLinked(person, call)
  if (linked?.removed === true && !(await isInvited(person, provider, call)))
    throw notAdmitted(provider, 'its person was removed')
  const known = linked?.removed === false ? linked : await findByAddress(person, provider, call)
  if (known?.deactivated === true) throw notAdmitted(provider, 'its person is deactivated')
  const groups = person.groups ?? (known === undefined ? [] : await provisionedGroups(known.id, call))
  const wanted = rolesFor(groups, provider)
  if (known !== undefined) {
    await link(person, known.id, call)
    const roles =
      wanted === undefined ? known.roles : await followRoles(known, wanted, `provider ${provider.name}`, call)
    return { id: known.id, roles }
  }
  return join(person, provider, wanted, call)
}

async function findLinked({ issuer, subject }: Person, { db }: Admitting): Promise<UserRow | undefined> {
  const [row] = await db<UserRow[]>`
    select u.id, to_jsonb(u.roles) as roles, u.removed_at is not null as removed, u.deactivated_at is not null as deactivated
    from identity_links l join users u on u.id = l.user_id where l.issuer = ${issuer} and l.subject = ${subject}`
  return row
}

/** Operators of the platform are known by no address: whoever sets a provider would be one. */
async function findByAddress(
  person: Person,
  provider: ProviderRow,
  { db }: Admitting,
): Promise<UserRow | undefined> {
  const email = addressOf(person, provider)
  if (email === undefined) return undefined
  const [row] = await db<UserRow[]>`
    select id, to_jsonb(roles) as roles, false as removed, deactivated_at is not null as deactivated
    from users where lower(email) = ${email} and kind = 'person' and removed_at is null`
  if (row?.roles.includes('super_admin') === true)
    throw notAdmitted(provider, 'its address is that of an operator')
  return row
}

/** An address that the provider may speak for. */
function addressOf({ verifiedEmail }: Person, { email_domains }: ProviderRow): string | undefined {
  const domain = verifiedEmail?.slice(verifiedEmail.lastIndexOf('@') + 1) ?? ''
  return email_domains.includes(domain) ? verifiedEmail : undefined
}

async function provisionedGroups(id: string, { db }: Admitting): Promise<string[]> {
  const rows = await db<{ display_name: string }[]>`
    select g.display_name from scim_groups g join scim_group_members m on m.group_id = g.id where m.user_id = ${id}`
  return rows.map((row) => row.display_name)
}

async function link({ issuer, subject }: Person, user: string, call: Admitting): Promise<void> {
  const { db, identity } = call
  const [added] = await db<{ added: boolean }[]>`
    insert into identity_links (tenant_id, issuer, subject, user_id)
    values (${identity.tenant}, ${issuer}, ${subject}, ${user})
    on conflict (tenant_id, issuer, subject) do update set last_sign_in_at = now(), user_id = excluded.user_id returning xmax = 0 as added`
  if (added?.added === true) recordAudit(call, 'member.linked', user, { issuer, subject })
}

/** Somebody new: invited, or let in by the provider or by a domain that is proven, as the tenant wants it. */
async function join(
  person: Person,
  provider: ProviderRow,
  wanted: readonly Role[] | undefined,
  call: Admitting,
): Promise<Admitted> {
  const { db, identity, emit } = call
  const email = addressOf(person, provider)
  if (email === undefined) throw notAdmitted(provider, 'it names no verified address of an allowed domain')
  const invitation = await findInvitation(email, call)
  if (invitation === undefined && !provider.just_in_time)
    return joinOfDomain({ ...person, verifiedEmail: email }, provider, wanted, call)
  const given = wanted ?? provider.default_roles
  const roles = given.length > 0 ? [...given] : (invitation?.roles ?? [])
  const id = invitation?.id ?? newId()
  checkRole({ id, roles }, provider)
  await takeSeat(call)
  await db`
    insert into users (id, tenant_id, email, name, roles)
    values (${id}, ${identity.tenant}, ${email}, ${person.name}, array(select jsonb_array_elements_text(${db.json(roles)})))`
  if (invitation !== undefined) await db`update invitations set accepted_at = now() where id = ${id}`
  await link(person, id, call)
  recordAudit(call, 'member.provisioned', id, { email, roles, by: `provider ${provider.name}` })
  emit(MEMBER_EVENTS.joined, { member: id, email, name: person.name, roles })
  return { id, roles }
}

/** Somebody whom nobody has invited, where the tenant has proven the domain and lets its people join. */
async function joinOfDomain(
  person: Person & { verifiedEmail: string },
  provider: ProviderRow,
  wanted: readonly Role[] | undefined,
  call: Admitting,
): Promise<Admitted> {
  const { verifiedEmail: email, name } = person
  const joined = await joinByDomain({ email, email_verified: true, name }, call)
  if (joined === undefined) throw notAdmitted(provider, 'nobody has invited its person')
  const { user: id } = joined
  await link(person, id, call)
  const roles =
    wanted === undefined
      ? joined.roles
      : await followRoles({ id, roles: joined.roles }, wanted, `provider ${provider.name}`, call)
  checkRole({ id, roles }, provider)
  return { id, roles }
}

/** Whoever was removed comes back only where somebody wants it. */
async function isInvited(person: Person, provider: ProviderRow, call: Admitting): Promise<boolean> {
  const email = addressOf(person, provider)
  return email !== undefined && (await findInvitation(email, call)) !== undefined
}

async function findInvitation(
  email: string,
  { db }: Admitting,
): Promise<{ id: string; roles: Role[] } | undefined> {
  const [row] = await db<{ id: string; roles: Role[] }[]>`
    select id, to_jsonb(roles) as roles from invitations
    where email = ${email} and accepted_at is null and revoked_at is null and expires_at > now() limit 1`
  return row
}

/** @throws Failure AFFORDANCE_DENIED */
export function checkRole({ roles }: Admitted, provider: ProviderRow): void {
  if (roles.length > 0) return
  throw notAdmitted(provider, 'none of its groups has a role')
}

function notAdmitted({ name }: ProviderRow, why: string): Failure {
  return new Failure('AFFORDANCE_DENIED', `Cannot sign in by "${name}": ${why}`, {
    suggestion: 'Ask an admin of the tenant',
    oauth: 'invalid_grant',
  })
}
