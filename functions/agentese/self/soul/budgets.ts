/** How much a dialogue may use up: from a ready answer to a long one. A plan bounds what may be chosen. */
import type { Call } from '../../../../shared/contract/call.ts'
import { periodOf, reserveTokens, settleTokens } from '../../../../shared/plans/allowance.ts'
import { requireFeature } from '../../../../shared/plans/features.ts'

export const BUDGET_TIERS = ['dormant', 'whisper', 'dialogue', 'deep'] as const
export type BudgetTier = (typeof BUDGET_TIERS)[number]

interface Budget {
  /** Longest reply of a model, in tokens; 0 uses none. */
  replyTokens: number
  /** Tokens that one call is expected to use up, prompt and reply. */
  estimate: number
}

/** What a whisper is billed, whatever its text. */
const WHISPER_TOKENS = 50

export const BUDGETS: Record<BudgetTier, Budget> = {
  dormant: { replyTokens: 0, estimate: 0 },
  whisper: { replyTokens: 0, estimate: WHISPER_TOKENS },
  dialogue: { replyTokens: 120, estimate: 500 },
  deep: { replyTokens: 500, estimate: 1000 },
}

/** @throws Failure TIER_REQUIRED where the caller's plan does not have that budget */
export async function checkBudget(budget: BudgetTier, call: Pick<Call, 'db' | 'identity'>): Promise<void> {
  if (budget !== 'deep') return
  const smaller = BUDGET_TIERS.filter((name) => name !== budget)
  await requireFeature('soul.deep', `Cannot use budget "${budget}"`, call, smaller)
}

/**
 * Bills tokens that were used up at once, without a model.
 *
 * @throws Failure QUOTA_EXCEEDED where the plan has too few left
 */
export async function billAtOnce(
  tokens: number,
  { db, identity, charge }: Pick<Call, 'db' | 'identity' | 'charge'>,
): Promise<void> {
  const period = periodOf(new Date())
  await reserveTokens(db, identity, tokens, period)
  await settleTokens(db, tokens, tokens, period)
  charge('tokens', tokens)
}
