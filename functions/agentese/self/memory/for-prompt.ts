/** `self.memory.for_prompt`: what a prompt is given of a person's memories and conversations, at once and without a model. */
import { z } from 'zod'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { Provenance } from './provenance.ts'
import { MAX_RECALLED, recallFor } from './recall-for.ts'
import { ENGRAM } from './shapes.ts'

export const forPrompt = aspect({
  category: 'P',
  archetypes: 'all',
  summary:
    'What some words call to mind of your memories and conversations, five at most, with where each comes from',
  effects: ['reads:memory_crystals', 'reads:session'],
  input: z.strictObject({
    text: z.string().trim().min(1).max(4000),
    limit: z.int().min(1).max(MAX_RECALLED).default(MAX_RECALLED),
    /** A conversation whose messages alone are looked through. */
    within: z.uuid().optional(),
    /** A conversation whose messages are not recalled. */
    without: z.uuid().optional(),
  }),
  output: z.strictObject({
    memories: z.array(
      z.strictObject({
        id: z.uuid(),
        text: z.string(),
        similarity: z.number().min(0).max(1),
        by: z.array(z.enum(['words', 'meaning'])),
        source: Provenance,
      }),
    ),
  }),
  examples: [
    { summary: 'For a question about a server', input: { text: 'Why was the disk full?' }, given: [ENGRAM] },
  ],
  handle: async (wanted, call) => ({ memories: await recallFor(call, wanted) }),
})
