/** Claims of domains, what they give, and their end. */
import type { Call } from '../../../shared/contract/call.ts'
import { oneAtATime } from '../../../shared/database/one-at-a-time.ts'
import { Failure } from '../../../shared/failures.ts'
import { newId } from '../../../shared/new-id.ts'
import { createChallenge } from '../../../shared/tenancy/domain-proof.ts'
import { checkRoles } from '../api-keys/create.ts'
import { recordAudit, type Audited } from '../audit/record.ts'
import { findDomain, type DomainRow } from './rows.ts'

const MAX_DOMAINS = 20

type JoinRoles = DomainRow['join_roles']

/** @throws Failure STATE_CONFLICT where the tenant has claimed it before, QUOTA_EXCEEDED */
export async function addDomain(
  { name, join_roles }: { name: string; join_roles: JoinRoles },
  call: Audited,
): Promise<string> {
  const { db, identity } = call
  checkRoles(join_roles ?? [], identity)
  await oneAtATime('domains', call)
  const [held] = await db<{ own: number }[]>`select count(*)::int as own from domains`
  if ((held?.own ?? 0) >= MAX_DOMAINS) {
    throw new Failure('QUOTA_EXCEEDED', `Cannot claim "${name}": your tenant has ${MAX_DOMAINS} domains`, {
      suggestion: 'Remove one that is not needed',
    })
  }
  const id = newId()
  const made = await db`
    insert into domains (id, tenant_id, name, challenge, join_roles, created_by)
    values (${id}, ${identity.tenant}, ${name}, ${createChallenge()}, ${rolesOf(join_roles, db)}, ${identity.user})
    on conflict (tenant_id, name) do nothing returning id`
  if (made.length === 0) {
    throw new Failure('STATE_CONFLICT', `Cannot claim "${name}": your tenant has claimed it already`, {
      suggestion: 'GET /v1/domains shows its challenge',
    })
  }
  recordAudit(call, 'domain.added', id, { name, join_roles })
  return id
}

/** @throws Failure NOT_FOUND */
export async function changeDomain(
  { id, join_roles }: { id: string; join_roles: JoinRoles },
  call: Audited,
): Promise<void> {
  const { db, identity } = call
  checkRoles(join_roles ?? [], identity)
  const before = await findDomain(id, call)
  await db`update domains set join_roles = ${rolesOf(join_roles, db)} where id = ${id}`
  recordAudit(call, 'domain.changed', id, { name: before.name, from: before.join_roles, to: join_roles })
}

export async function removeDomain({ id, name }: DomainRow, call: Audited): Promise<void> {
  await call.db`delete from domains where id = ${id}`
  recordAudit(call, 'domain.removed', id, { name })
}

function rolesOf(roles: JoinRoles, db: Call['db']) {
  return roles === null
    ? db`null`
    : db`array(select jsonb_array_elements_text(${db.json([...new Set(roles)])}))`
}
