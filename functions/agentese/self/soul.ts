/**
 * `self.soul`: K-gent, the persona that a person talks to. What needs a model is answered with a job, and `complete`
 * turns the model's text into the result; what needs none is answered at once.
 */
import { z } from 'zod'
import { hasAffordance } from '../../../shared/agentese/affordances.ts'
import { BUILDERS, TALKERS, type Archetypes } from '../../../shared/agentese/archetypes.ts'
import { capabilitiesOf } from '../../../shared/agentese/capabilities.ts'
import type { Accepted, Call, Completed } from '../../../shared/contract/call.ts'
import { requireAny } from '../../../shared/contract/constraints.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { wordsAbout } from '../earlier-result.ts'
import { billAtOnce, BUDGET_TIERS, BUDGETS, checkBudget, type BudgetTier } from './soul/budgets.ts'
import { accept, propose, proposals, reject } from './soul/consent.ts'
import { audit, governance } from './soul/governance.ts'
import { said } from './soul/said.ts'
import { modeOf, requireMode, setMode } from './soul/mode.ts'
import { AXES, MODES, POLES, startersOf, temperatureOf, type Mode } from './soul/persona.ts'
import { personaPrompt } from './soul/persona-prompt.ts'
import { persona } from './soul/persona-query.ts'
import { readPersona } from './soul/persona-rows.ts'
import { remarkOf, templateOf, type Remark } from './soul/templates.ts'
import { update } from './soul/update.ts'

/** Set aside for one answer that has a mode of its own: prompt and reply. */
const CHALLENGE_TOKENS = 800
const REFLECT_TOKENS = 600

/** The verb that keeps a mode; who lacks it is not helped by a remark. */
const MODE = { node: 'self.soul', verb: 'mode', archetypes: [...BUILDERS, 'operator'] } as const

const ModeName = z.enum(MODES)
const Vectors = z.record(z.enum(AXES), z.number().min(0).max(1))
const Message = z.string().trim().max(4000)

const Reply = z.strictObject({
  response: z.string(),
  mode: ModeName,
  tokens_used: z.int(),
  was_template: z.boolean(),
})
const DialogueReply = Reply.extend({
  /** What it really took: a ready answer is dormant, whatever was requested. */
  budget_tier: z.enum(BUDGET_TIERS),
  /** With budget deep: where the persona stood. */
  eigenvectors: Vectors.optional(),
})

const Dialogue = requireAny(
  z.strictObject({
    message: Message.optional(),
    mode: ModeName.optional(),
    budget: z.enum(BUDGET_TIERS).default('dialogue'),
    input: z.unknown().optional(),
  }),
  ['message', 'input'],
  'message is required',
)

const Thought = requireAny(
  z.strictObject({ message: Message.optional(), input: z.unknown().optional() }),
  ['message!', 'input'],
  'message is required',
)

export const selfSoul = defineNode('self.soul', {
  summary: 'K-gent: a persona that reflects, advises, challenges and explores, and a gatekeeper',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'The mode and character of your K-gent',
      effects: ['reads:soul_state'],
      needs: ['inference'],
      input: NoInput,
      output: z.strictObject({
        type: z.literal('soul'),
        mode: ModeName,
        modes: z.array(ModeName),
        has_llm: z.boolean(),
        eigenvectors: Vectors,
      }),
      examples: [{ summary: 'Who are you?', input: {} }],
      async handle(_input, call) {
        const mode = await modeOf(call)
        const has_llm = call.hasModel()
        const { vectors } = await readPersona(call)
        return { type: 'soul' as const, mode, modes: [...MODES], has_llm, eigenvectors: vectors }
      },
    }),

    eigenvectors: aspect({
      category: 'P',
      archetypes: BUILDERS,
      summary: 'Where the persona stands on its six axes, and how sure that is',
      effects: ['reads:soul_state'],
      input: NoInput,
      output: z.strictObject({
        eigenvectors: Vectors,
        confidence: Vectors,
        poles: z.record(z.enum(AXES), z.strictObject({ low: z.string(), high: z.string() })),
      }),
      examples: [{ summary: 'What colours your answers?', input: {} }],
      async handle(_input, call) {
        const { vectors, confidence } = await readPersona(call)
        return { eigenvectors: vectors, confidence, poles: NAMED_POLES }
      },
    }),

    starters: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Sentences to begin with',
      effects: ['reads:soul_state'],
      input: z.strictObject({ mode: ModeName.optional() }),
      output: z.strictObject({ mode: ModeName, starters: z.array(z.string()) }),
      examples: [{ summary: 'What could I ask to be challenged?', input: { mode: 'challenge' } }],
      async handle({ mode: requested }, call) {
        const mode = requested ?? (await modeOf(call))
        return { mode, starters: [...startersOf(mode)] }
      },
    }),

    mode: aspect({
      category: 'M',
      archetypes: MODE.archetypes,
      summary: 'Change how your K-gent talks to you, or read it',
      effects: ['reads:soul_state', 'writes:soul_state'],
      input: z.strictObject({ set: ModeName.optional() }),
      output: z.strictObject({ mode: ModeName, status: z.enum(['current', 'changed']) }),
      examples: [{ summary: 'Be challenged from now on', input: { set: 'challenge' } }],
      async handle({ set }, call) {
        const mode = await modeOf(call)
        if (set === undefined || set === mode) return { mode, status: 'current' as const }
        await setMode(set, call)
        return { mode: set, status: 'changed' as const }
      },
    }),

    dialogue: aspect({
      category: 'M',
      archetypes: TALKERS,
      summary: 'Talk to your K-gent',
      effects: ['calls:llm', 'charges:tokens', 'writes:soul_state'],
      cost: ({ message = '', budget, input }) => ({
        tokens: input === undefined && remarkOf(message) !== undefined ? 0 : BUDGETS[budget].estimate,
      }),
      needs: ['inference'],
      input: Dialogue,
      output: DialogueReply,
      examples: [
        { summary: 'Ask for advice', input: { message: 'How do I start?', mode: 'advise' } },
        { summary: 'A greeting, answered at once', input: { message: 'Hello' } },
        {
          summary: 'A long answer',
          input: { message: 'What am I not seeing in my plan to move?', budget: 'deep' },
        },
      ],
      async handle({ message = '', mode, budget, input }, call) {
        await checkBudget(budget, call)
        if (mode !== undefined) await requireMode(mode, call)
        const chosen = mode ?? (await modeOf(call))
        const remark = input === undefined ? remarkOf(message) : undefined
        if (remark !== undefined) return answerRemark(remark, chosen, call)
        if (BUDGETS[budget].replyTokens === 0) return acknowledge(budget, chosen, call)
        if (!call.hasModel()) return ready(templateOf('fallback', chosen), chosen, budget)
        return ask(call, chosen, wordsAbout(message, input), BUDGETS[budget])
      },
      async complete(completed, call) {
        const { mode, budget } = completed.input
        return {
          ...replyOf(completed, mode ?? (await modeOf(call))),
          budget_tier: budget,
          ...(budget === 'deep' ? { eigenvectors: (await readPersona(call)).vectors } : {}),
        }
      },
    }),

    challenge: thinking('challenge', {
      archetypes: [...BUILDERS, 'operator', 'reviewer', 'security', 'creative', 'strategic', 'tactical'],
      summary: 'Have a claim of yours questioned',
      estimate: CHALLENGE_TOKENS,
      example: 'We need microservices to grow',
    }),

    reflect: thinking('reflect', {
      archetypes: [...BUILDERS, 'operator', 'creative', 'strategic', 'tactical'],
      summary: 'Have your own words mirrored',
      estimate: REFLECT_TOKENS,
      example: 'I keep starting things that I do not finish',
    }),

    persona,
    update,
    propose,
    proposals,
    accept,
    reject,

    governance,
    audit,
  },
  triggers: [said],
})

const NAMED_POLES = Object.fromEntries(
  AXES.map((axis) => [axis, { low: POLES[axis][0], high: POLES[axis][1] }]),
) as Record<(typeof AXES)[number], { low: string; high: string }> // reason: it has just these members

interface Thinking {
  archetypes: Archetypes
  summary: string
  estimate: number
  example: string
}

/** A verb that thinks about one message in a mode of its own, whatever mode the person has chosen. */
function thinking(mode: Mode, about: Thinking) {
  const { archetypes, summary, estimate, example } = about
  return aspect({
    category: 'M',
    archetypes,
    summary,
    effects: ['calls:llm', 'charges:tokens'],
    cost: () => ({ tokens: estimate }),
    needs: ['inference'],
    input: Thought,
    output: Reply,
    examples: [{ summary: 'For instance', input: { message: example } }],
    async handle({ message, input }, call) {
      await requireMode(mode, call)
      if (!call.hasModel()) return templateReply(templateOf('fallback', mode), mode)
      const { replyTokens } = BUDGETS.dialogue
      return ask(call, mode, wordsAbout(message, input), { replyTokens, estimate })
    },
    complete: (completed) => replyOf(completed, mode),
  })
}

/** The person's words are a message to the persona; only our own make the persona. */
async function ask(
  call: Pick<Call, 'db' | 'identity' | 'infer'>,
  mode: Mode,
  words: string,
  { replyTokens, estimate }: { replyTokens: number; estimate: number },
): Promise<Accepted> {
  return call.infer({
    messages: [
      { role: 'system', content: await personaPrompt(call, { mode, topic: words }) },
      { role: 'user', content: words },
    ],
    maxTokens: replyTokens,
    temperature: temperatureOf(mode),
    estimateTokens: estimate,
  })
}

function replyOf({ text, tokens }: Completed<unknown>, mode: Mode) {
  const tokens_used = tokens.prompt + tokens.completion
  return { response: text.trim(), mode, tokens_used, was_template: false }
}

function templateReply(response: string, mode: Mode) {
  return { response, mode, tokens_used: 0, was_template: true }
}

function ready(response: string, mode: Mode, budget_tier: BudgetTier) {
  return { ...templateReply(response, mode), budget_tier }
}

async function answerRemark(remark: Remark, mode: Mode, call: Pick<Call, 'db' | 'identity' | 'observer'>) {
  if (remark.kind !== 'mode switch') return ready(templateOf(remark.kind, mode), mode, 'dormant')
  const capabilities = await capabilitiesOf(call.db, call.identity, () => [MODE])
  const { archetype } = call.observer
  if (!hasAffordance({ archetype, capabilities }, MODE)) {
    return ready(`I cannot keep that: as "${archetype}", send the mode with each message.`, mode, 'dormant')
  }
  await setMode(remark.mode, call)
  return ready(`From now on I ${remark.mode} with you.`, remark.mode, 'dormant')
}

/** A ready answer to something longer: that is all that a small budget buys. */
async function acknowledge(budget: BudgetTier, mode: Mode, call: Pick<Call, 'db' | 'identity' | 'charge'>) {
  const { estimate } = BUDGETS[budget]
  if (estimate > 0) await billAtOnce(estimate, call)
  return { ...ready(templateOf('whisper', mode), mode, budget), tokens_used: estimate }
}
