/**
 * `self.soul.governance` asks the gatekeeper, and `self.soul.audit` lists its decisions. Each decision is recorded in
 * the transaction that makes it; an escalated one opens a semaphore for a person.
 */
import { z } from 'zod'
import { BUILDERS } from '../../../../shared/agentese/archetypes.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import { requireAny } from '../../../../shared/contract/constraints.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { NextCursor, orderBy } from '../../../../shared/contract/pages.ts'
import { requireFeature } from '../../../../shared/plans/features.ts'
import { newId } from '../../../../shared/new-id.ts'
import { isCut, textsIn, wordsAbout } from '../../earlier-result.ts'
import {
  escalation,
  questionAbout,
  readVerdict,
  verdictOnDanger,
  type Verdict,
  type Proposal,
} from './gatekeeper.ts'
import { openSemaphore, SEVERITIES, type NewSemaphore } from '../../semaphores.ts'
import { BUDGET_TIERS, BUDGETS, checkBudget, type BudgetTier } from './budgets.ts'
import { beginningOf } from '../../../../shared/beginning.ts'

/** Set aside for one decision: prompt and reply. */
const TOKENS = 150
const DEEP_TOKENS = 500

/** Characters of a prompt that a person is shown. */
const PROMPT = 2000

const Recommendation = z.enum(['approve', 'reject', 'escalate'])

const Decision = z.strictObject({
  approved: z.boolean(),
  recommendation: Recommendation,
  confidence: z.number().min(0).max(1),
  reasoning: z.string(),
  principles: z.array(z.string()),
  alternatives: z.array(z.string()),
  tokens_used: z.int(),
  decision: z.uuid(),
  /** The semaphore of an escalation. */
  token_id: z.string().nullable(),
})

const Context = z.strictObject({
  environment: z.string().trim().max(200).optional(),
  reason: z.string().trim().max(2000).optional(),
  severity: z.enum(SEVERITIES).optional(),
})

const Question = requireAny(
  z.strictObject({
    action: z.string().trim().max(2000).optional(),
    context: Context.default({}),
    budget: z.enum(BUDGET_TIERS).default('dialogue'),
    input: z.unknown().optional(),
  }),
  ['action!', 'input'],
  'action is required',
)
type Question = z.infer<typeof Question>

export const governance = aspect({
  category: 'M',
  archetypes: [...BUILDERS, 'operator'],
  summary: 'Ask whether something may be done; what is dangerous or unclear goes to a person',
  effects: ['calls:llm', 'charges:tokens', 'writes:semaphore', 'emits:event', 'audits:governance'],
  cost: ({ budget }) => ({ tokens: estimateOf(budget) }),
  needs: ['inference'],
  input: Question,
  output: Decision,
  examples: [
    {
      summary: 'Danger goes to a person at once',
      input: { action: 'Delete the old backups', context: { environment: 'production' } },
    },
    {
      summary: 'A model judges the rest',
      input: { action: 'Publish the changelog', context: { reason: 'The release is out' } },
    },
  ],
  async handle(question, call) {
    const { budget } = question
    await requireFeature('soul.gatekeeper', 'Cannot ask the gatekeeper', call)
    await checkBudget(budget, call)
    const proposal = proposalOf(question)
    const danger = verdictOnDanger(proposal)
    if (danger !== undefined) return decide(proposal, { verdict: danger, reason: 'sensitive_action' }, call)
    const nobody = whyNobodyJudges(budget, call)
    if (nobody !== undefined) return decide(proposal, { verdict: escalation(nobody) }, call)
    return call.infer(questionAbout(proposal, estimateOf(budget)))
  },
  complete: ({ input, text, tokens }, call) =>
    decide(
      proposalOf(input),
      { verdict: readVerdict(text), tokens_used: tokens.prompt + tokens.completion },
      call,
    ),
  recover: ({ input }, call) =>
    decide(proposalOf(input), { verdict: escalation('The model did not answer') }, call),
})

const NEWEST_FIRST = orderBy({ at: 'timestamptz', id: 'uuid' }, 'desc')

export const audit = aspect({
  category: 'P',
  archetypes: ['admin', 'operator', 'security', 'system'],
  summary: 'What the gatekeeper has decided and why, newest first',
  effects: ['reads:governance'],
  input: z.strictObject({
    recommendation: Recommendation.optional(),
    limit: z.int().min(1).max(100).default(10),
    cursor: NEWEST_FIRST.Cursor.optional(),
  }),
  output: z.strictObject({
    decisions: z.array(
      Decision.omit({ tokens_used: true, approved: true }).extend({
        user: z.uuid(),
        action: z.string(),
        context: Context,
        trace_id: z.string(),
        at: z.string(),
      }),
    ),
    next_cursor: NextCursor,
  }),
  examples: [{ summary: 'The last three decisions', input: { limit: 3 } }],
  async handle({ recommendation = null, ...bounds }, { db }) {
    const decisions = db<DecisionRow[]>`
      select id, user_id, action, context, recommendation, confidence, reasoning, principles, alternatives, token_id,
        trace_id, at
      from governance_decisions
      where (${recommendation}::text is null or recommendation = ${recommendation})`
    const { page, next_cursor } = await NEWEST_FIRST.readPage(db, decisions, bounds)
    return {
      decisions: page.map(({ id, user_id, at, ...rest }) => ({
        ...rest,
        decision: id,
        user: user_id,
        at: at.toISOString(),
      })),
      next_cursor,
    }
  },
})

interface DecisionRow extends Verdict {
  id: string
  user_id: string
  action: string
  context: z.infer<typeof Context>
  token_id: string | null
  trace_id: string
  at: Date
}

function estimateOf(budget: BudgetTier): number {
  if (BUDGETS[budget].replyTokens === 0) return 0
  return budget === 'deep' ? DEEP_TOKENS : TOKENS
}

/** What came from an earlier stage is part of the action, so that it is judged with it. */
function proposalOf({ action, context, input }: Question): Proposal {
  const { environment = '', reason = '' } = context
  return {
    action: wordsAbout(action, input),
    context,
    texts: [action ?? '', environment, reason, ...textsIn(input)],
    cut: isCut(input),
  }
}

function whyNobodyJudges(budget: BudgetTier, { hasModel }: Pick<Call, 'hasModel'>): string | undefined {
  if (BUDGETS[budget].replyTokens === 0) return 'That budget uses no model'
  return hasModel() ? undefined : 'There is no model that could judge'
}

/** A verdict, how it came about, and why a person is asked where it is an escalation. */
interface Judgement {
  verdict: Verdict
  tokens_used?: number
  reason?: NewSemaphore['reason']
}

async function decide(
  proposal: Proposal,
  judgement: Judgement,
  call: Pick<Call, 'db' | 'identity' | 'trace' | 'emit' | 'changed'>,
) {
  const { verdict, tokens_used = 0 } = judgement
  const { recommendation } = verdict
  const token_id = recommendation === 'escalate' ? await askPerson(proposal, judgement, call) : null
  const decision = await record(proposal, verdict, { tokens_used, token_id }, call)
  call.emit('io.kgents.governance.decided', { decision, recommendation, token_id })
  return { approved: recommendation === 'approve', ...verdict, tokens_used, decision, token_id }
}

/** @returns the id of the semaphore */
async function askPerson(
  { action, context }: Proposal,
  judgement: Judgement,
  call: Pick<Call, 'db' | 'identity' | 'emit' | 'changed'>,
): Promise<string> {
  const { verdict, reason = 'approval_needed' } = judgement
  const { id } = await openSemaphore(
    {
      reason,
      prompt: beginningOf(`May this be done? ${action}`, PROMPT),
      options: ['approve', 'reject'],
      severity: context.severity ?? 'warning',
      about: { action, context, reasoning: verdict.reasoning },
    },
    call,
  )
  return id
}

/** @returns the id of the record */
async function record(
  { action, context }: Proposal,
  { recommendation, confidence, reasoning, principles, alternatives }: Verdict,
  { tokens_used, token_id }: { tokens_used: number; token_id: string | null },
  { db, identity, trace }: Pick<Call, 'db' | 'identity' | 'trace'>,
): Promise<string> {
  const id = newId()
  await db`
    insert into governance_decisions (id, tenant_id, user_id, action, context, recommendation, confidence, reasoning,
      principles, alternatives, token_id, tokens_used, trace_id)
    values (${id}, ${identity.tenant}, ${identity.user}, ${action}, ${db.json(context)}, ${recommendation},
      ${confidence}, ${reasoning}, ${db.json(principles)}, ${db.json(alternatives)}, ${token_id}, ${tokens_used},
      ${trace.traceId})`
  return id
}
