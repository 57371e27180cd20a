/** What the functions of the ledger answer: an amount, or a failure that says why not. */
import { Failure } from '../../failures.ts'

export interface OutcomeRow {
  outcome: 'done' | 'repeated' | 'mismatch' | 'short' | 'unknown' | 'ended' | 'past'
  amount: number | null
}

export type Act = 'grant' | 'spend' | 'hold' | 'capture' | 'release' | 'refund'

/**
 * The amount that an act came to, now or when it was first done.
 *
 * @throws Failure
 */
export function readOutcome(act: Act, source: string, rows: readonly OutcomeRow[]): number {
  const { outcome, amount } = rows[0] ?? { outcome: 'unknown', amount: null }
  if (outcome === 'done' || outcome === 'repeated') return amount ?? 0
  const what = `Cannot ${act} credits for "${source}"`
  if (outcome === 'short') throw tooFew(what, act, amount ?? 0)
  if (outcome === 'unknown') {
    throw new Failure('NOT_FOUND', `${what}: nothing was ${act === 'refund' ? 'spent' : 'held'} for it`, {
      suggestion: 'GET /v1/billing/ledger?source= shows what was booked',
    })
  }
  if (outcome === 'past') {
    throw new Failure('TYPE_MISMATCH', `${what}: they would have expired already`, {
      suggestion: 'Name an end in the future',
    })
  }
  if (outcome === 'mismatch') {
    throw new Failure('IDEMPOTENCY_MISMATCH', `${what}: that source stands for another amount`, {
      suggestion: 'Use a source of its own for each thing that is booked',
      details: { booked: amount },
    })
  }
  throw new Failure('STATE_CONFLICT', `${what}: the hold has ended already`, {
    suggestion: 'Spend the credits instead, which takes what there is',
  })
}

function tooFew(what: string, act: Act, amount: number): Failure {
  const details = { available: amount }
  if (act !== 'hold') {
    return new Failure('PRECONDITION_FAILED', `${what}: ${amount} of them are there for it`, {
      suggestion: 'Name an amount within that',
      details,
    })
  }
  return new Failure('QUOTA_EXCEEDED', `${what}: your tenant has ${amount} left`, {
    suggestion: 'Buy credits, or wait until held ones are released',
    details,
  })
}
