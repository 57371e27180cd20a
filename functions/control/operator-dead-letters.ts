/**
 * Dead letters of all tenants, for operators of the platform: what no attempt could deliver, by its attributes alone, and what is
 * done about many at once. Whoever repeats a call does no harm: what was taken or removed is not there any more, and a
 * function knows the events that it has taken.
 */
import { z } from 'zod'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NextCursor } from '../../shared/contract/pages.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { discard } from './operator-dead-letters/discard.ts'
import { Filter, Chosen, isNarrow } from './operator-dead-letters/filter.ts'
import { listLetters, NEWEST_FIRST, OperatorLetter } from './operator-dead-letters/list.ts'
import { MAX_REPLAYS, replayAll } from './operator-dead-letters/replay.ts'

/** Removed by one call. */
const MAX_DISCARDED = 1000

export const operatorDeadLetters = defineOperation({
  name: 'operator-dead-letters',
  summary: 'Shows, delivers again and removes dead letters of all tenants',
  // Longer than any function that it delivers to may take.
  scale: { timeoutSeconds: 90 },
  database: 'central',
  routes: {
    list: route({
      route: 'GET /v1/operator/dead-letters',
      summary: 'Events of all tenants that no attempt could deliver, without what they say, newest first',
      permission: 'platform:operate',
      scopes: ['platform_dead_letter:read'],
      needs: ['postgres'],
      input: Filter.extend({
        limit: wholeNumber(1, 100).default(20),
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({ dead_letters: z.array(OperatorLetter), next_cursor: NextCursor }),
      examples: [{ summary: 'What one function did not take', input: { function: 'self-soul' } }],
      handle: (wanted, call) => listLetters(wanted, call),
    }),

    replay: route({
      route: 'POST /v1/operator/dead-letters/replay',
      summary:
        'Deliver those that fit to their functions again, the least often tried first; what is taken leaves the list',
      permission: 'platform:operate',
      scopes: ['platform_dead_letter:write'],
      needs: ['postgres', 'deliveries'],
      input: Chosen.extend({ limit: z.int().min(1).max(MAX_REPLAYS).default(50) }).refine(...isNarrow),
      output: z.strictObject({
        taken: z.int(),
        failed: z.int().describe('Still there, with the new error'),
        remaining: z.int().describe('That fit and were not tried; call again as long as some are taken'),
      }),
      examples: [{ summary: 'After a function was mended', input: { function: 'self-soul', limit: 100 } }],
      writes: true,
      // It waits for those functions.
      transaction: false,
      handle: (chosen, call) => replayAll(chosen, call),
    }),

    discard: route({
      route: 'POST /v1/operator/dead-letters/discard',
      summary: 'Remove those that fit for good, oldest first, with a record in the audit of each tenant',
      permission: 'platform:operate',
      scopes: ['platform_dead_letter:delete'],
      needs: ['postgres'],
      input: Chosen.extend({
        reason: z.string().trim().min(1).max(500).describe('Also for the audit of the tenants'),
        limit: z.int().min(1).max(MAX_DISCARDED).default(MAX_DISCARDED),
      }).refine(...isNarrow),
      output: z.strictObject({ discarded: z.int(), remaining: z.int().describe('That fit; call again') }),
      examples: [
        {
          summary: 'Events of a function that there is no longer',
          input: { function: 'old-function', reason: 'The function is gone' },
        },
      ],
      writes: true,
      handle: (chosen, call) => discard(chosen, call),
    }),
  },
})
