/** `void.serendipity`: tangents for some entropy. What was drawn is used up; there is no grant to pour back. */
import { z } from 'zod'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { wordsAbout } from '../earlier-result.ts'
import { drawEntropy, drawSeed, poolOf } from './entropy/pool.ts'
import { inspirationOf, tangentOf } from './serendipity/tangents.ts'

const TANGENT_COST = 0.05
const INSPIRATION_COST = 0.03

const Seed = z.number().min(0).lt(1)

export const voidSerendipity = defineNode('void.serendipity', {
  summary: 'Unrequested tangents',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'What a tangent costs, and how much entropy is left for it',
      effects: ['reads:entropy'],
      input: NoInput,
      output: z.strictObject({
        type: z.literal('serendipity'),
        remaining: z.number(),
        costs: z.strictObject({ sip: z.number(), inspire: z.number() }),
      }),
      examples: [{ summary: 'Is there some left?', input: {} }],
      async handle(_input, { db }) {
        const { remaining } = await poolOf(db)
        const costs = { sip: TANGENT_COST, inspire: INSPIRATION_COST }
        return { type: 'serendipity' as const, remaining, costs }
      },
    }),

    sip: aspect({
      category: 'E',
      archetypes: 'all',
      summary: 'A tangent to what you are about',
      effects: ['charges:entropy'],
      cost: () => ({ entropy: TANGENT_COST }),
      input: z.strictObject({
        context: z.string().trim().max(4000).optional(),
        confidence_threshold: z.number().min(0).max(1).default(0.5),
        input: z.unknown().optional(),
      }),
      output: z.strictObject({
        tangent: z.string(),
        confidence: z.number().min(0).max(1),
        /** Whether it reached the threshold; the surest is returned where none did. */
        confident: z.boolean(),
        seed: Seed,
      }),
      examples: [{ summary: 'Something else', input: { context: 'the garden plan' } }],
      async handle({ context, confidence_threshold: threshold, input }, call) {
        await drawEntropy(TANGENT_COST, call)
        const seed = drawSeed()
        const { tangent, confidence } = tangentOf(seed, wordsAbout(context, input), threshold)
        return { tangent, confidence, confident: confidence >= threshold, seed }
      },
    }),

    inspire: aspect({
      category: 'E',
      archetypes: 'all',
      summary: 'A spark for a domain',
      effects: ['charges:entropy'],
      cost: () => ({ entropy: INSPIRATION_COST }),
      input: z.strictObject({
        domain: z.string().trim().max(200).optional(),
        input: z.unknown().optional(),
      }),
      output: z.strictObject({ inspiration: z.string(), seed: Seed }),
      examples: [{ summary: 'For a painter', input: { domain: 'watercolour' } }],
      async handle({ domain, input }, call) {
        await drawEntropy(INSPIRATION_COST, call)
        const seed = drawSeed()
        return { inspiration: inspirationOf(seed, wordsAbout(domain, input)), seed }
      },
    }),
  },
})
