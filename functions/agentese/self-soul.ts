/**
 * `self.soul`: K-gent, the persona that a person talks to. A dialogue asks a model, so it is answered with a job, and
 * `complete` turns the model's text into the result.
 */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { aspect, defineNode, NoInput } from '../../shared/contract/define-node.ts'
import { EIGENVECTORS, MODES, systemPrompt, temperatureOf, type Mode } from './soul-persona.ts'

/** Longest reply, in tokens. */
const REPLY_TOKENS = 120
/** Set aside for one dialogue: prompt and reply. */
const DIALOGUE_TOKENS = 500

const ModeName = z.enum(MODES)

export const selfSoul = defineNode('self.soul', {
  summary: 'K-gent: a persona that reflects, advises, challenges and explores',
  aspects: {
    manifest: aspect({
      category: 'P',
      summary: 'The mode and character of your K-gent',
      effects: ['reads:soul_state'],
      input: NoInput,
      output: z.strictObject({
        type: z.literal('soul'),
        mode: ModeName,
        modes: z.array(ModeName),
        eigenvectors: z.record(z.string(), z.number()),
      }),
      examples: [{ summary: 'Who are you?', input: {} }],
      async handle(_input, call) {
        const mode = await modeOf(call)
        return { type: 'soul' as const, mode, modes: [...MODES], eigenvectors: EIGENVECTORS }
      },
    }),

    dialogue: aspect({
      category: 'M',
      summary: 'Talk to your K-gent',
      effects: ['calls:llm', 'charges:tokens'],
      cost: () => ({ tokens: DIALOGUE_TOKENS }),
      input: z.strictObject({
        message: z.string().trim().min(1).max(4000),
        mode: ModeName.optional(),
      }),
      output: z.strictObject({
        response: z.string(),
        mode: ModeName,
        tokens_used: z.int(),
        was_template: z.boolean(),
      }),
      examples: [{ summary: 'Ask for advice', input: { message: 'How do I start?', mode: 'advise' } }],
      async handle({ message, mode }, call) {
        const chosen = mode ?? (await modeOf(call))
        return call.infer({
          messages: [
            { role: 'system', content: systemPrompt(chosen) },
            { role: 'user', content: message },
          ],
          maxTokens: REPLY_TOKENS,
          temperature: temperatureOf(chosen),
          estimateTokens: DIALOGUE_TOKENS,
        })
      },
      async complete({ input, text, tokens }, call) {
        return {
          response: text.trim(),
          mode: input.mode ?? (await modeOf(call)),
          tokens_used: tokens.prompt + tokens.completion,
          was_template: false,
        }
      },
    }),
  },
})

/** The mode that this person has chosen; never another person's. */
async function modeOf({ db, identity }: Call): Promise<Mode> {
  const [soul] = await db<{ mode: Mode }[]>`select mode from souls where user_id = ${identity.user}`
  return soul?.mode ?? 'reflect'
}
