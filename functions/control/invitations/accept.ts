/** Accepting an invitation: whoever holds its token and knows its address becomes a person of the tenant, with a first key. */
import type { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { oneAtATime } from '../../../shared/database/one-at-a-time.ts'
import { MEMBER_EVENTS } from '../../../shared/events/event.ts'
import { Failure } from '../../../shared/failures.ts'
import { createApiKey } from '../../../shared/identity/api-keys.ts'
import { newId } from '../../../shared/new-id.ts'
import { takeSeat } from '../../../shared/plans/seats.ts'
import type { ApiKey } from '../api-keys/rows.ts'
import { describe as describeKey, findKey } from '../api-keys/rows.ts'
import { recordAudit, type Audited } from '../audit/record.ts'
import { describe as describeMember, findMember, type Member } from '../members/rows.ts'
import { showOnce } from '../shown-once.ts'
import { findInvitation, type InvitationRow } from './rows.ts'

/** Who comes in, with a key where that is shown. */
export interface Joined {
  member: z.infer<typeof Member>
  api_key: z.infer<typeof ApiKey>
  key?: string | undefined
}

export async function accept(
  { email, name }: { email: string; name: string },
  call: Audited & Pick<Call, 'emit'>,
): Promise<Joined> {
  const { db, identity, emit } = call
  await oneAtATime('people', call)
  const invitation = await findInvitation(identity.user, call)
  checkOpen(invitation)
  checkAddress(email, invitation)
  await checkNew(email, call)
  await takeSeat(call)
  const { id, roles } = invitation
  await db`
    insert into users (id, tenant_id, email, name, roles)
    values (${id}, ${identity.tenant}, ${email}, ${name}, array(select jsonb_array_elements_text(${db.json(roles)})))`
  await db`update invitations set accepted_at = now() where id = ${id}`
  const keyId = newId()
  const { key, prefix, hash } = createApiKey()
  await db`
    insert into api_keys (id, tenant_id, user_id, name, key_prefix, key_hash, created_by)
    values (${keyId}, ${identity.tenant}, ${id}, 'first key', ${prefix}, ${hash}, ${id})`
  recordAudit(call, 'invitation.accepted', id, { email, name, roles, prefix })
  emit(MEMBER_EVENTS.joined, { member: id, email, name, roles })
  const member = describeMember(await findMember(id, call))
  const api_key = describeKey(await findKey(keyId, true, call))
  return showOnce({ member, api_key }, { key })
}

const WHY_NOT = {
  accepted: 'it was accepted before',
  revoked: 'it was revoked',
  expired: 'it has expired',
} as const

/** @throws Failure STATE_CONFLICT */
function checkOpen({ state }: InvitationRow): void {
  if (state === 'open') return
  throw new Failure('STATE_CONFLICT', `Cannot accept the invitation: ${WHY_NOT[state]}`, {
    suggestion:
      state === 'accepted'
        ? 'Use the API key that it was answered with'
        : 'Ask whoever invited you for another one',
    details: { state },
  })
}

/** A token that went astray is of no use to whoever does not know for whom it was. */
function checkAddress(email: string, invitation: InvitationRow): void {
  if (email === invitation.email) return
  throw new Failure('AFFORDANCE_DENIED', 'Cannot accept the invitation: it is for another address', {
    suggestion: 'Use the address that it was sent to',
  })
}

/** @throws Failure STATE_CONFLICT where a person of the tenant has that address */
export async function checkNew(email: string, { db }: Pick<Call, 'db'>): Promise<void> {
  const [known] = await db`select from users where lower(email) = ${email} and removed_at is null limit 1`
  if (known === undefined) return
  throw new Failure('STATE_CONFLICT', `Cannot add "${email}": a member of the tenant has that address`, {
    suggestion: 'GET /v1/members lists them',
  })
}
