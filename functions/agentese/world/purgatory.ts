/**
 * `world.purgatory`: where the semaphores of a tenant wait for a person. Everybody in the tenant sees them; few may end
 * them.
 */
import { z } from 'zod'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { oneAtATime } from '../../../shared/database/one-at-a-time.ts'
import {
  AnyTokenId,
  countSemaphores,
  endSemaphore,
  findSemaphore,
  listSemaphores,
  NEWEST_FIRST,
  Page,
  recordWaiting,
  Semaphore,
  SEVERITIES,
  STATUSES,
  tellSemaphore,
  TokenId,
  voidExpired,
} from '../semaphores.ts'

/** An example is about a semaphore that was opened just before. */
const GIVEN = {
  given: [
    {
      path: 'self.semaphore.yield',
      input: { reason: 'ambiguous_choice', prompt: 'Which colour?', options: ['red', 'blue'] },
    },
  ],
}
const OPENED = { $from: 'given.0.result.token_id' }

export const worldPurgatory = defineNode('world.purgatory', {
  summary: 'Questions of the whole tenant that wait for a person',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'How many questions wait, and how the others ended',
      effects: ['reads:semaphore'],
      input: NoInput,
      output: z.strictObject({
        type: z.literal('purgatory'),
        counts: z.record(z.enum(STATUSES), z.int()),
      }),
      examples: [{ summary: 'Does anything wait?', input: {} }],
      handle: async (_input, call) => ({
        type: 'purgatory' as const,
        counts: await countSemaphores(call),
      }),
    }),

    list: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Questions, newest first; those that wait, unless another status is named',
      effects: ['reads:semaphore'],
      input: z.strictObject({
        status: z.enum(STATUSES).default('pending'),
        severity: z.enum(SEVERITIES).optional(),
        limit: z.int().min(1).max(100).default(10),
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: Page,
      examples: [{ summary: 'What is critical?', input: { severity: 'critical' } }],
      handle: (wanted, call) => listSemaphores(wanted, call),
    }),

    inspect: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'All about one question',
      effects: ['reads:semaphore'],
      input: z.strictObject({ token_id: AnyTokenId }),
      output: Semaphore,
      examples: [{ summary: 'What is it about?', input: { token_id: OPENED }, ...GIVEN }],
      handle: async ({ token_id }, call) => tellSemaphore(await findSemaphore(token_id, call)),
    }),

    resolve: aspect({
      category: 'M',
      archetypes: ['admin', 'developer', 'architect'],
      summary: 'Answer a question that waits',
      effects: ['writes:semaphore', 'emits:event'],
      input: z.strictObject({ token_id: AnyTokenId, human_input: z.string().trim().min(1).max(4000) }),
      output: z.strictObject({ token_id: TokenId, status: z.literal('resolved'), human_input: z.string() }),
      examples: [
        { summary: 'Take one of its options', input: { token_id: OPENED, human_input: 'blue' }, ...GIVEN },
      ],
      async handle({ token_id, human_input }, call) {
        await endSemaphore(token_id, { status: 'resolved', human_input }, call)
        return { token_id, status: 'resolved' as const, human_input }
      },
    }),

    cancel: aspect({
      category: 'M',
      archetypes: ['admin', 'developer', 'architect'],
      summary: 'Take a question back that waits',
      effects: ['writes:semaphore', 'emits:event'],
      input: z.strictObject({ token_id: AnyTokenId, reason: z.string().trim().min(1).max(2000).optional() }),
      output: z.strictObject({ token_id: TokenId, status: z.literal('cancelled') }),
      examples: [
        {
          summary: 'Nobody needs the answer any more',
          input: { token_id: OPENED, reason: 'Done otherwise' },
          ...GIVEN,
        },
      ],
      async handle({ token_id, reason = null }, call) {
        await endSemaphore(token_id, { status: 'cancelled', human_input: reason }, call)
        return { token_id, status: 'cancelled' as const }
      },
    }),

    void_expired: aspect({
      category: 'M',
      archetypes: ['admin', 'developer', 'architect'],
      summary: 'Write down which questions nobody answered in time',
      effects: ['writes:semaphore', 'emits:event'],
      input: NoInput,
      output: z.strictObject({ voided_count: z.int(), voided_ids: z.array(TokenId) }),
      examples: [{ summary: 'Tidy up', input: {} }],
      async handle(_input, call) {
        await oneAtATime('semaphores', call)
        const voided_ids = await voidExpired(call)
        if (voided_ids.length > 0) await recordWaiting(call)
        return { voided_count: voided_ids.length, voided_ids }
      },
    }),
  },
})
