/** `self.semaphore`: ask a person, and read the answer. A caller can read their own questions only. */
import { z } from 'zod'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { Instant } from '../../../shared/instant.ts'
import { Failure } from '../../../shared/failures.ts'
import {
  AnyTokenId,
  countSemaphores,
  findSemaphore,
  listSemaphores,
  NEWEST_FIRST,
  openSemaphore,
  Page,
  REASONS,
  Semaphore,
  SEVERITIES,
  STATUSES,
  tellSemaphore,
  TokenId,
} from '../semaphores.ts'

/** Characters of what a semaphore is about, as JSON. */
const MAX_SUBJECT = 50_000

const Question = z.strictObject({
  reason: z.enum(REASONS),
  prompt: z.string().trim().min(1).max(2000),
  options: z.array(z.string().trim().min(1).max(200)).max(20).default([]),
  severity: z.enum(SEVERITIES).default('info'),
  deadline: Instant.optional(),
  escalation: z.string().trim().min(1).max(200).optional(),
  input: z
    .unknown()
    .refine((about) => (JSON.stringify(about) ?? '').length <= MAX_SUBJECT, 'is too long')
    .optional(),
})

const EXAMPLE = {
  reason: 'approval_needed',
  prompt: 'May the report be sent to all customers?',
  options: ['yes', 'no'],
}

export const selfSemaphore = defineNode('self.semaphore', {
  summary: 'Questions that you have put to a person',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'How many of your questions wait, and how the others ended',
      effects: ['reads:semaphore'],
      input: NoInput,
      output: z.strictObject({
        type: z.literal('semaphore'),
        counts: z.record(z.enum(STATUSES), z.int()),
      }),
      examples: [{ summary: 'How do my questions stand?', input: {} }],
      handle: async (_input, call) => ({
        type: 'semaphore' as const,
        counts: await countSemaphores(call, call.identity.user),
      }),
    }),

    yield: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Ask a person, and go on when it has answered',
      effects: ['writes:semaphore', 'emits:event'],
      input: Question,
      output: z.strictObject({ token_id: TokenId, status: z.literal('pending') }),
      examples: [{ summary: 'Ask for approval', input: EXAMPLE }],
      async handle({ input, ...question }, call) {
        const { deadline } = question
        if (deadline !== undefined && Date.parse(deadline) <= Date.now()) {
          throw new Failure('TYPE_MISMATCH', `Cannot ask until "${deadline}": that is over`, {
            suggestion: 'Use a time in the future, or none to wait without limit',
          })
        }
        const { id } = await openSemaphore({ ...question, about: input }, call)
        return { token_id: id, status: 'pending' as const }
      },
    }),

    pending: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Your questions that wait for an answer, newest first',
      effects: ['reads:semaphore'],
      input: z.strictObject({
        limit: z.int().min(1).max(100).default(10),
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: Page,
      examples: [{ summary: 'The last ten', input: {} }],
      handle: (page, call) => listSemaphores({ ...page, user: call.identity.user, status: 'pending' }, call),
    }),

    status: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'How one of your questions stands, with its answer',
      effects: ['reads:semaphore'],
      input: z.strictObject({ token_id: AnyTokenId }),
      output: Semaphore,
      examples: [
        {
          summary: 'Has somebody answered?',
          input: { token_id: { $from: 'given.0.result.token_id' } },
          given: [{ path: 'self.semaphore.yield', input: EXAMPLE }],
        },
      ],
      handle: async ({ token_id }, call) =>
        tellSemaphore(await findSemaphore(token_id, call, call.identity.user)),
    }),
  },
})
