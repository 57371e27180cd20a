/** What an operator gives a tenant. */
import { defaultExpiry, type CreditKind } from '../../../shared/billing/ledger/credits.ts'
import { readOutcome, type OutcomeRow } from '../../../shared/billing/ledger/outcome.ts'
import { Failure } from '../../../shared/failures.ts'
import { newId } from '../../../shared/new-id.ts'
import { actorFacts, type Audited } from '../audit/record.ts'
import { operate } from '../tenants/operate.ts'

interface Wanted {
  /** The tenant. */
  id: string
  kind: CreditKind
  amount: number
  expires_at?: string | undefined
  reason: string
}

/** @throws Failure NOT_FOUND, TYPE_MISMATCH where it would be past */
export async function grantToTenant({ id, kind, amount, expires_at, reason }: Wanted, call: Audited) {
  const { db, identity } = call
  const grant = newId()
  const source = `operator:${grant}`
  const until = expires_at === undefined ? defaultExpiry(kind, new Date()) : new Date(expires_at)
  const rows = await operate(db<Pick<OutcomeRow, 'outcome'>[]>`
    select outcome from grant_credits_for_operator(${identity.user}, ${db.json(actorFacts(call))}, ${id}, ${grant}, ${kind},
      ${amount}, ${until}, ${source}, ${reason})`)
  if (rows.length === 0) {
    throw new Failure('NOT_FOUND', `Cannot find tenant "${id}"`, {
      suggestion: 'GET /v1/operator/tenants lists them',
    })
  }
  readOutcome(
    'grant',
    source,
    rows.map(({ outcome }) => ({ outcome, amount })),
  )
  return { grant: { id: grant, tenant: id, kind, amount, source, expires_at: until.toISOString() } }
}
