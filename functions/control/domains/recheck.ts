/**
 * Looks again whether proven domains still have their proof: every 7 days, and after a failure each day. Without it for three
 * checks in a row a domain is the tenant's no longer. That nobody answers is no failure: an outage takes nothing away.
 */
import type { Call, Given } from '../../../shared/contract/call.ts'
import { findProof, type Found } from '../../../shared/tenancy/domain-proof.ts'
import { listDomains, type DomainRow } from './rows.ts'

const MAX_FAILURES = 3
const DAY_MS = 86_400_000

type Checking = Given<'postgres' | 'outside', 'caller'>

export async function checkDueDomains(call: Checking): Promise<void> {
  const rows = await call.transact('read', listDomains)
  for (const row of rows.filter(isDue)) {
    const found = await findProof(row.name, row.challenge, call)
    await call.transact('write', ({ db }) => note(row, found, db))
  }
}

function isDue({ verified_at, checked_at, failures }: DomainRow): boolean {
  if (verified_at === null || checked_at === null) return false
  return Date.now() - checked_at.getTime() > DAY_MS * (failures === 0 ? 7 : 1)
}

async function note({ id, name, failures }: DomainRow, found: Found, db: Call['db']): Promise<void> {
  if (found !== 'none') {
    const method = found === 'unknown' ? db`method` : db`${found}`
    const left = found === 'unknown' ? db`failures` : db`0`
    await db`update domains set checked_at = now(), method = ${method}, failures = ${left} where id = ${id}`
    return
  }
  if (failures + 1 < MAX_FAILURES) {
    await db`update domains set checked_at = now(), failures = failures + 1 where id = ${id}`
    return
  }
  await db`
    update domains set checked_at = now(), failures = failures + 1, verified_at = null, method = null where id = ${id}`
  await db`select record_audit(null, '{}', 'domain.lapsed', ${id}, ${db.json({ name })})`
}
