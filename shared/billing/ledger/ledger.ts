/**
 * The ledger of credits: every change of a tenant's credits, in the transaction of what it is made for.
 *
 * A `source` names that, such as `stripe:evt_1`, `invoice:<id>` or `job:<id>`. The same source does each thing once: a repetition
 * changes nothing and answers what the first one came to; for another amount it fails with IDEMPOTENCY_MISMATCH. Changes of one
 * tenant wait for each other until the transaction ends, so no two spend the same credit. Amounts are credits, with six decimals.
 *
 * Spent and held are promotional credits first, then rollover, prepaid, compensation, and of each kind what expires soonest.
 */
import type { Db } from '../../database/database.ts'
import { newId } from '../../new-id.ts'
import { checkCredits, checkHold, defaultExpiry, type CreditKind } from './credits.ts'
import { readOutcome, type OutcomeRow } from './outcome.ts'

export interface NewGrant {
  kind: CreditKind
  amount: number
  source: string
  /** Default: 90 days for promotional, a month for rollover, a year for the others. */
  expiresAt?: Date
  /** For people; everybody of the tenant who may read its bills sees it. */
  reason?: string
}

/** @throws Failure TYPE_MISMATCH where `expiresAt` is past, IDEMPOTENCY_MISMATCH */
export async function grantCredits(db: Db, grant: NewGrant): Promise<void> {
  const { kind, amount, source, reason = null, expiresAt = defaultExpiry(kind, new Date()) } = grant
  checkCredits(amount, 'more')
  readOutcome(
    'grant',
    source,
    await db<OutcomeRow[]>`
    select outcome, amount::float8 from grant_credits(${newId()}, ${kind}, ${amount}, ${expiresAt}, ${source}, ${reason})`,
  )
}

/**
 * Spends what there is, up to an amount.
 *
 * @returns `spent` is less where there are not as many credits, 0 where there are none
 */
export async function spendCredits(
  db: Db,
  { upTo, source }: { upTo: number; source: string },
): Promise<{ spent: number }> {
  checkCredits(upTo, 'zero')
  const spent = readOutcome(
    'spend',
    source,
    await db<OutcomeRow[]>`
    select outcome, amount::float8 from spend_credits(${upTo}, ${source})`,
  )
  return { spent }
}

/**
 * Sets an amount aside until it is captured or released, at the latest for `seconds`; it does not expire meanwhile.
 *
 * @throws Failure QUOTA_EXCEEDED where there is less
 */
export async function holdCredits(
  db: Db,
  { amount, source, seconds }: { amount: number; source: string; seconds: number },
): Promise<void> {
  checkCredits(amount, 'more')
  checkHold(seconds)
  readOutcome(
    'hold',
    source,
    await db<OutcomeRow[]>`
    select outcome, amount::float8 from hold_credits(${amount}, ${source}, ${seconds})`,
  )
}

/**
 * Spends `amount` of what was held for `source`; the rest is free again.
 *
 * @throws Failure NOT_FOUND, PRECONDITION_FAILED where less was held, STATE_CONFLICT where the hold has ended otherwise
 */
export async function captureHold(db: Db, source: string, amount: number): Promise<void> {
  checkCredits(amount, 'zero')
  readOutcome(
    'capture',
    source,
    await db<OutcomeRow[]>`
    select outcome, amount::float8 from settle_hold(${source}, ${amount}, 'captured')`,
  )
}

/**
 * Frees what was held for `source`, once; one that has expired is free already.
 *
 * @throws Failure NOT_FOUND, STATE_CONFLICT where it was captured
 */
export async function releaseHold(db: Db, source: string): Promise<void> {
  readOutcome(
    'release',
    source,
    await db<OutcomeRow[]>`
    select outcome, amount::float8 from settle_hold(${source}, 0, 'released')`,
  )
}

export interface Refund {
  /** The source for which it was spent, or held and captured. */
  source: string
  amount: number
  /** Source of the refund itself; required where one spending is refunded in parts. Default: `refund:` and `source`. */
  refund?: string
}

/**
 * Gives credits back to the grants that they came from, first what was taken last. They keep the dates of their grants: what
 * came from one that is past expires at once, and the ledger shows both.
 *
 * @throws Failure NOT_FOUND where nothing was spent for that source, PRECONDITION_FAILED where it was less
 */
export async function refundCredits(
  db: Db,
  { source, amount, refund = `refund:${source}` }: Refund,
): Promise<void> {
  checkCredits(amount, 'more')
  readOutcome(
    'refund',
    source,
    await db<OutcomeRow[]>`
    select outcome, amount::float8 from refund_credits(${amount}, ${source}, ${refund})`,
  )
}

export interface CreditBalance {
  /** Can be spent now. */
  available: number
  /** Set aside, until it is captured or released. */
  held: number
  byKind: Record<CreditKind, number>
}

/** What the tenant has now; what is past and not yet booked as expired does not count. */
export async function creditBalance(db: Db): Promise<CreditBalance> {
  const [row] = await db<[Record<CreditKind | 'available' | 'held', number>]>`
    with standing as (
      select kind, held, case when expires_at > now() then available else 0 end as available from credit_grants
    )
    select coalesce(sum(available), 0)::float8 as available, coalesce(sum(held), 0)::float8 as held,
      coalesce(sum(available) filter (where kind = 'promotional'), 0)::float8 as promotional,
      coalesce(sum(available) filter (where kind = 'rollover'), 0)::float8 as rollover,
      coalesce(sum(available) filter (where kind = 'prepaid'), 0)::float8 as prepaid,
      coalesce(sum(available) filter (where kind = 'compensation'), 0)::float8 as compensation
    from standing`
  const { available, held, ...byKind } = row
  return { available, held, byKind }
}

/** Books what has expired; every change of a tenant's credits does so first, and a tick where there is none. */
export async function expireCredits(db: Db): Promise<void> {
  await db`select expire_credits()`
}
