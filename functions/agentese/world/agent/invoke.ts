/** Having an agent do something: at once, by one answer, or as a run of many steps. */
import { z } from 'zod'
import { aspect } from '../../../../shared/contract/define-node.ts'
import type { Accepted, Given } from '../../../../shared/contract/call.ts'
import { textFor } from './input.ts'
import {
  ANSWER_TOKENS,
  CHARACTERS_PER_TOKEN,
  DEFAULT_STEPS,
  MAX_BUDGET,
  MAX_INPUT,
  MAX_STEPS,
} from './limits.ts'
import { activeAgent, SAGE, Which, type AgentRow } from './rows.ts'
import { CONTINUE, FINISHES } from './runs.ts'
import { DRAWING, TOOL_RUN } from './shapes.ts'

const Output = z.strictObject({
  agent: z.string(),
  output: z.string(),
  model: z.string(),
  tokens_used: z.int().min(0),
  /** Answers of the model. */
  steps: z.int().min(0),
  /** Null where the agent answered at once; else world.agent.steps shows what it did. */
  run: z.uuid().nullable(),
  /** Why it ended: as the model's last answer did, or at a limit of the run. */
  finish: z.enum(FINISHES),
})

export const invoke = aspect({
  category: 'M',
  archetypes: 'all',
  summary: 'Have an agent do something',
  effects: ['reads:agent', 'calls:llm', 'charges:tokens'],
  cost: ({ input }) => ({ tokens: estimateOf(textFor(input)) }),
  needs: ['inference'],
  input: z.strictObject({
    agent: Which,
    /** What is asked of it: words, or the result of the stage before. */
    input: z
      .unknown()
      .refine((input) => input !== undefined && textFor(input).trim() !== '', 'input is required')
      .refine((input) => textFor(input).length <= MAX_INPUT, `is longer than ${MAX_INPUT} characters`),
    /** Answers of the model; default: as the agent was defined. */
    max_steps: z.int().min(1).max(MAX_STEPS).optional(),
    /** Tokens of all answers and tools together; a step that might need more than are left is not taken. */
    budget_tokens: z.int().min(1).max(MAX_BUDGET).optional(),
  }),
  output: Output,
  examples: [
    { summary: 'Ask for advice', input: { agent: 'sage', input: 'How do I start?' }, given: [SAGE] },
    { summary: 'In at most four steps', input: DRAWING, given: TOOL_RUN.slice(0, 1) },
  ],
  async handle({ agent: which, input, ...limits }, call) {
    const agent = await activeAgent(call.db, which)
    const budget = limits.budget_tokens ?? agent.budget_tokens
    if (agent.tools.length > 0 || agent.memory || budget !== null)
      return beginRun(agent, { steps: limits.max_steps ?? agent.max_steps ?? DEFAULT_STEPS, budget }, call)
    const message = textFor(input)
    return call.infer({
      messages: [
        { role: 'system', content: agent.instructions },
        { role: 'user', content: message },
      ],
      maxTokens: ANSWER_TOKENS,
      temperature: 0.5,
      estimateTokens: estimateOf(`${agent.instructions}${message}`),
      ...(agent.model === null ? {} : { model: agent.model }),
    })
  },
  complete: ({ input: { agent }, text, model, tokens, finishReason }) => ({
    agent,
    output: text.trim(),
    model,
    tokens_used: tokens.prompt + tokens.completion,
    steps: 1,
    run: null,
    finish: finishReason ?? 'stop',
  }),
})

/** The job of this call, which goes on by event, one step at a time. */
async function beginRun(
  agent: AgentRow,
  { steps, budget }: { steps: number; budget: number | null },
  call: Given<'postgres' | 'events' | 'inference'>,
): Promise<Accepted> {
  const { db, identity } = call
  const accepted = await call.begin()
  await db`
    insert into agent_runs (id, tenant_id, user_id, agent_id, max_steps, budget_tokens)
    values (${accepted.job}, ${identity.tenant}, ${identity.user}, ${agent.id}, ${steps}, ${budget})`
  call.emit(CONTINUE, { run: accepted.job })
  return accepted
}

function estimateOf(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN) + ANSWER_TOKENS
}
