/** Proof of a domain: looked for while no transaction is open, and written down where nobody else has the domain. */
import type { Call, Given } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'
import { findProof, placesOf, type Method } from '../../../shared/tenancy/domain-proof.ts'
import { recordAudit } from '../audit/record.ts'
import { findDomain, type DomainRow } from './rows.ts'

type Verifying = Given<'postgres' | 'outside', 'caller'>

/**
 * @throws Failure NOT_FOUND; PRECONDITION_FAILED where there is no proof, UPSTREAM_FAILED where nobody answers; STATE_CONFLICT
 *   where another tenant has the domain, which only those learn who have proven it as well
 */
export async function verifyDomain(id: string, call: Verifying): Promise<void> {
  const row = await call.transact('read', (reading) => findDomain(id, reading))
  const found = await findProof(row.name, row.challenge, call)
  if (found === 'unknown') {
    throw new Failure(
      'UPSTREAM_FAILED',
      `Cannot verify "${row.name}": neither its DNS nor its web server answers`,
      {
        suggestion: 'Try again when one of them does',
      },
    )
  }
  if (found === 'none') throw noProof(row)
  const isOurs = await call.transact('write', (writing) =>
    keep(row, found, { ...audited(call), db: writing.db }),
  )
  if (isOurs) return
  throw new Failure('STATE_CONFLICT', `Cannot verify "${row.name}": another tenant has it`, {
    suggestion: 'Have that tenant give it up; without its proof, it loses the domain by itself',
  })
}

function audited({ address, identity }: Verifying) {
  return { address, identity }
}

/** @returns whether it is this tenant's now */
async function keep(
  { id, name, verified_at }: DomainRow,
  method: Method,
  call: Pick<Call, 'db' | 'identity' | 'address'>,
): Promise<boolean> {
  const { db } = call
  const kept = await db
    .savepoint(
      (own) => own`
        update domains set verified_at = coalesce(verified_at, now()), method = ${method}, checked_at = now(), failures = 0
        where id = ${id} returning id`,
    )
    .catch((error: unknown) => {
      if ((error as { code?: unknown }).code === UNIQUE_VIOLATION) return []
      throw error
    })
  if (kept.length > 0 && verified_at === null) recordAudit(call, 'domain.verified', id, { name, method })
  return kept.length > 0
}

const UNIQUE_VIOLATION = '23505'

function noProof({ name, challenge }: DomainRow): Failure {
  const { dns, file } = placesOf(name)
  return new Failure('PRECONDITION_FAILED', `Cannot verify "${name}": its proof was not found`, {
    suggestion: `Add the TXT record ${dns}, or serve ${file}, with the challenge in it; changes of DNS take some minutes`,
    details: { dns_record: dns, file_url: file, challenge },
  })
}
