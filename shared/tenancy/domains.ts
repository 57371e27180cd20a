/**
 * To which tenant somebody belongs by the domain of a verified address, and joining it. An address is verified where a provider
 * that is believed for it says so; what people type is not.
 */
import type { Call } from '../contract/call.ts'
import { takeSeat } from '../plans/seats.ts'
import { oneAtATime } from '../database/one-at-a-time.ts'
import { MEMBER_EVENTS } from '../events/event.ts'
import type { Role } from '../identity/permissions.ts'
import { newId } from '../new-id.ts'
import type { Sql } from 'postgres'
import { domainOf } from './domain-names.ts'

export interface DomainTenant {
  tenant: string
  domain: string
  /** What those become who join; absent where nobody joins by the domain. */
  roles?: Role[]
}

/**
 * The tenant that has proven the domain of `email`, in whatever tenant the caller is.
 *
 * @returns undefined where nobody has
 */
export async function tenantOfDomain(
  sql: Pick<Sql, 'unsafe'> | Pick<Call['db'], 'unsafe'>,
  email: string,
): Promise<DomainTenant | undefined> {
  const domain = domainOf(email)
  if (domain === undefined) return undefined
  const [row] = (await sql.unsafe('select tenant_id, join_roles from tenant_of_domain($1)', [domain])) as {
    tenant_id: string
    join_roles: Role[] | null
  }[]
  if (row === undefined) return undefined
  return { tenant: row.tenant_id, domain, ...(row.join_roles === null ? {} : { roles: row.join_roles }) }
}

export interface Joined {
  user: string
  roles: Role[]
  /** Whether it was not there before. */
  joined: boolean
}

/** Somebody of whom a provider has said that the address is its own. */
export interface Verified {
  email: string
  email_verified: true
  name: string
}

/**
 * Makes somebody a person of this transaction's tenant, by the domain of its verified address.
 *
 * @returns the person, also where it was there before; undefined where nobody joins this tenant by that domain
 * @throws Failure QUOTA_EXCEEDED where no seat is left
 */
export async function joinByDomain(
  { email, name }: Verified,
  call: Pick<Call, 'db' | 'identity' | 'emit'>,
): Promise<Joined | undefined> {
  const { db, identity, emit } = call
  const address = email.trim().toLowerCase()
  const found = await tenantOfDomain(db, address)
  if (found?.roles === undefined || found.tenant !== identity.tenant) return undefined
  await oneAtATime('people', call)
  const [known] = await db<{ user: string; roles: Role[] }[]>`
    select id as user, to_jsonb(roles) as roles from users where lower(email) = ${address} and removed_at is null`
  if (known !== undefined) return { ...known, joined: false }
  await takeSeat(call)
  const user = newId()
  const { roles, domain } = found
  await db`
    insert into users (id, tenant_id, email, name, roles)
    values (${user}, ${identity.tenant}, ${address}, ${name}, array(select jsonb_array_elements_text(${db.json(roles)})))`
  db.send(db`select record_audit(${user}, ${db.json({ roles })}, 'member.joined_by_domain', ${user},
    ${db.json({ email: address, name, domain })})`)
  emit(MEMBER_EVENTS.joined, { member: user, email: address, name, roles })
  return { user, roles, joined: true }
}
