/** Grants of credits as they are shown. */
import { z } from 'zod'
import { CREDIT_KINDS, type CreditKind } from '../../../shared/billing/ledger/credits.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import type { Db } from '../../../shared/database/database.ts'

const Amount = z.number().nonnegative()

export const Grant = z.strictObject({
  id: z.uuid(),
  kind: z.enum(CREDIT_KINDS),
  amount: Amount,
  available: Amount,
  held: Amount,
  spent: Amount,
  expired: Amount,
  source: z.string().describe('What it was made for'),
  reason: z.string().optional(),
  granted_at: z.string(),
  expires_at: z.string(),
})

interface GrantRow {
  id: string
  kind: CreditKind
  amount: number
  available: number
  held: number
  spent: number
  expired: number
  source: string
  reason: string | null
  granted_at: Date
  expires_at: Date
}

/** UUIDs of version 7 sort by time. */
export const GRANTS_NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')

export async function listGrants({ open, ...bounds }: Bounds & { open?: boolean | undefined }, db: Db) {
  const grants = db<GrantRow[]>`
    select id, kind, amount::float8, available::float8, held::float8, spent::float8, expired::float8, source, reason,
      granted_at, expires_at
    from credit_grants
    where ${open ?? null}::boolean is null or ((available > 0 and expires_at > now()) or held > 0) = ${open ?? null}`
  const { page, next_cursor } = await GRANTS_NEWEST_FIRST.readPage(db, grants, bounds)
  return { grants: page.map(describe), next_cursor }
}

function describe({ reason, granted_at, expires_at, ...row }: GrantRow): z.infer<typeof Grant> {
  return {
    ...row,
    ...(reason === null ? {} : { reason }),
    granted_at: granted_at.toISOString(),
    expires_at: expires_at.toISOString(),
  }
}
