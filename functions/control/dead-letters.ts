/**
 * Dead letters: events that a function did not take by the last attempt. The Broker hands them over here; an admin finds out
 * what went wrong and has them delivered again, or removes them. The relay does so after 30 days.
 */
import { z } from 'zod'
import { deadLetters, defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NextCursor } from '../../shared/contract/pages.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { Chosen, narrowedBy, NARROWING } from './dead-letters/filter.ts'
import { discardMany, MAX_REPLAYS, replayMany } from './dead-letters/many.ts'
import { replay } from './dead-letters/replay.ts'
import {
  describe,
  find,
  keepLetter,
  Letter,
  LetterError,
  listLetters,
  NEWEST_FIRST,
  removeLetter,
} from './dead-letters/rows.ts'

/** Removed by one call. */
const MAX_DISCARDED = 1000

const LetterId = z.strictObject({ id: z.uuid() })
const LetterAnswer = z.strictObject({ dead_letter: Letter })

export const deadLetterSink = defineOperation({
  name: 'dead-letters',
  summary: 'Keeps events that no attempt could deliver to a function, shows them and delivers them again',
  // Longer than any function that it delivers to may take.
  scale: { timeoutSeconds: 90 },
  routes: {
    list: route({
      route: 'GET /v1/dead-letters',
      summary: 'Events of your tenant that no attempt could deliver, without their data, newest first',
      permission: 'tenant:admin',
      scopes: ['dead_letter:read'],
      needs: ['postgres'],
      input: z.strictObject({
        function: z.string().max(63).optional(),
        type: z.string().max(1024).optional(),
        limit: wholeNumber(1, 100).default(20),
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({ dead_letters: z.array(Letter), next_cursor: NextCursor }),
      examples: [{ summary: 'What one function did not take', input: { function: 'self-soul' } }],
      handle: (page, call) => listLetters(page, call),
    }),

    get: route({
      route: 'GET /v1/dead-letters/:id',
      summary: 'One such event, and what its function answered last',
      permission: 'tenant:admin',
      scopes: ['dead_letter:read'],
      needs: ['postgres'],
      input: LetterId,
      output: LetterAnswer,
      handle: async ({ id }, call) => ({ dead_letter: describe(await find(id, call)) }),
    }),

    replay: route({
      route: 'POST /v1/dead-letters/:id/replay',
      summary: 'Deliver such an event to its function again; one that is taken leaves the list',
      permission: 'tenant:admin',
      scopes: ['dead_letter:write'],
      needs: ['postgres', 'deliveries'],
      input: LetterId,
      output: z.strictObject({
        id: z.uuid(),
        function: z.string(),
        outcome: z.enum(['taken', 'failed']),
        error: LetterError.optional(),
      }),
      writes: true,
      // It waits for that function.
      transaction: false,
      handle: ({ id }, call) => replay(id, call),
    }),

    delete: route({
      route: 'DELETE /v1/dead-letters/:id',
      summary: 'Remove such an event for good',
      permission: 'tenant:admin',
      scopes: ['dead_letter:delete'],
      needs: ['postgres'],
      input: LetterId,
      output: LetterAnswer,
      writes: true,
      handle: async ({ id }, call) => ({ dead_letter: describe(await removeLetter(id, call)) }),
    }),

    'replay-many': route({
      route: 'POST /v1/dead-letters/replay',
      summary: 'Deliver those that fit to their functions again, the least often tried first',
      permission: 'tenant:admin',
      scopes: ['dead_letter:write'],
      needs: ['postgres', 'deliveries'],
      input: Chosen.extend({ limit: z.int().min(1).max(MAX_REPLAYS).default(50) }).refine(
        ...narrowedBy(NARROWING),
      ),
      output: z.strictObject({
        taken: z.int(),
        failed: z.int().describe('Still there, with the new error'),
        remaining: z.int().describe('That fit and were not tried; call again as long as some are taken'),
      }),
      examples: [{ summary: 'After a function was mended', input: { function: 'self-soul', limit: 100 } }],
      writes: true,
      // It waits for those functions.
      transaction: false,
      handle: (chosen, call) => replayMany(chosen, call),
    }),

    'discard-many': route({
      route: 'POST /v1/dead-letters/discard',
      summary: 'Remove those that fit for good, oldest first',
      permission: 'tenant:admin',
      scopes: ['dead_letter:delete'],
      needs: ['postgres'],
      input: Chosen.extend({ limit: z.int().min(1).max(MAX_DISCARDED).default(MAX_DISCARDED) }).refine(
        ...narrowedBy(NARROWING),
      ),
      output: z.strictObject({ discarded: z.int(), remaining: z.int().describe('That fit; call again') }),
      examples: [{ summary: 'Those of a function that is gone', input: { function: 'old-function' } }],
      writes: true,
      handle: (chosen, call) => discardMany(chosen, call),
    }),
  },
  deadLetters: deadLetters({
    needs: ['postgres'],
    handle: (letter, call) => keepLetter(letter, call),
  }),
})
