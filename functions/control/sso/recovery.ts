/**
 * Recovery codes: how an admin gets in where the provider does not let it. Each is good once, is stored as its SHA-256 only, and
 * leaves a record in the audit and an event, which a webhook can deliver.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { Call } from '../../../shared/contract/call.ts'
import { MEMBER_EVENTS } from '../../../shared/events/event.ts'
import { Failure } from '../../../shared/failures.ts'
import { newId } from '../../../shared/new-id.ts'
import { recordAudit, type Audited } from '../audit/record.ts'
import { holdPeople } from '../members/rows.ts'
import { showOnce } from '../shown-once.ts'
import { addSession, type Opened } from './sessions.ts'
import { findTenant } from './tenant.ts'

const CODES = 8

export interface Codes {
  made: number
  codes?: string | undefined
}

/** Makes codes for the caller, in the place of all that it had. They are shown once, with a space between each two. */
export async function makeCodes(call: Audited): Promise<Codes> {
  const { db, identity } = call
  await holdPeople('identity-providers.recovery', call)
  const codes = Array.from({ length: CODES }, () => `kgr_${randomBytes(20).toString('base64url')}`)
  await db`delete from recovery_codes where user_id = ${identity.user}`
  for (const code of codes)
    db.send(db`
      insert into recovery_codes (id, tenant_id, user_id, code_hash)
      values (${newId()}, ${identity.tenant}, ${identity.user}, ${hashOf(code)})`)
  recordAudit(call, 'recovery_codes.made', identity.user, { count: CODES })
  return showOnce({ made: CODES }, { codes: codes.join(' ') })
}

function hashOf(code: string): Buffer {
  return createHash('sha256').update(code).digest()
}

/** @throws Failure CREDENTIALS_INVALID, the same for every reason */
export async function recover(
  { tenant, code }: { tenant: string; code: string },
  call: Pick<Call, 'actFor' | 'ofNoTenant'>,
): Promise<Opened> {
  const identity = await findTenant(tenant, call).catch((error: unknown) => {
    throw error instanceof Failure && error.code === 'NOT_FOUND' ? unknownCode() : error
  })
  return call.actFor(identity, 'write', async (own) => {
    const [row] = await own.db<{ user_id: string }[]>`
      update recovery_codes c set used_at = now()
      from users u where u.id = c.user_id and c.code_hash = ${hashOf(code)} and c.used_at is null
        and u.removed_at is null and u.deactivated_at is null and to_jsonb(u.roles) ?| array['admin', 'super_admin']
      returning c.user_id`
    if (row === undefined) throw unknownCode()
    const { db, address, emit } = own
    const audited = { db, address, identity: { ...identity, user: row.user_id } }
    const [left] = await db<{ count: number }[]>`
      select count(*)::int as count from recovery_codes where user_id = ${row.user_id} and used_at is null`
    recordAudit(audited, 'recovery_code.used', row.user_id, { left: left?.count ?? 0 })
    emit(MEMBER_EVENTS.recovered, {
      member: row.user_id,
      left: left?.count ?? 0,
      ...(address === undefined ? {} : { address }),
    })
    return addSession(audited.identity, 'recovery_code', audited)
  })
}

function unknownCode(): Failure {
  return new Failure('CREDENTIALS_INVALID', 'Cannot accept the recovery code: it is unknown or was used', {
    suggestion: 'Use another one; each is good once',
    challenge: 'Bearer',
  })
}
