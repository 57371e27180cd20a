/**
 * `self.kgent`: conversations with K-gent that remember their messages. Each belongs to one person. A message asks
 * a model with the latest of the conversation before it, as far as that fits; the answer joins the conversation.
 */
import { z } from 'zod'
import { TALKERS } from '../../../shared/agentese/archetypes.ts'
import type { Call } from '../../../shared/contract/call.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { NextCursor } from '../../../shared/contract/pages.ts'
import { Failure } from '../../../shared/failures.ts'
import { indexAspect, keepIndexing } from '../../../shared/recall/indexing.ts'
import { SESSIONS } from './memory/sessions.ts'
import {
  closeSession,
  findSession,
  listSessions,
  Message,
  NEWEST_FIRST,
  openSession,
  readMessages,
  addMessage,
  Session,
  SESSION_STATUSES,
} from './kgent/sessions.ts'
import { BUDGETS } from './soul/budgets.ts'
import { modeOf } from './soul/mode.ts'
import { MODES, systemPrompt, temperatureOf } from './soul/persona.ts'

/** Messages of the conversation that a model is shown, at most, and their characters. */
const REMEMBERED_MESSAGES = 12
const REMEMBERED_CHARACTERS = 6000

const ModeName = z.enum(MODES)
const SessionId = z.strictObject({ session: z.uuid() })
const OPENED = { path: 'self.kgent.create', input: { title: 'The garden' } }
const ITS_ID = { $from: 'given.0.result.id' }

export const selfKgent = defineNode('self.kgent', {
  summary: 'Conversations with K-gent, each of one person',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'How many conversations you have, by status',
      effects: ['reads:session'],
      input: NoInput,
      output: z.strictObject({
        type: z.literal('kgent'),
        sessions: z.record(z.enum(SESSION_STATUSES), z.int()),
      }),
      examples: [{ summary: 'What do we talk about?', input: {} }],
      async handle(_input, call) {
        const [row] = await call.db<{ active: number; closed: number; expired: number }[]>`
          select count(*) filter (where status = 'active' and expires_at >= now())::int as active,
                 count(*) filter (where status = 'closed')::int as closed,
                 count(*) filter (where status = 'active' and expires_at < now())::int as expired
          from kgent_sessions where user_id = ${call.identity.user}`
        return { type: 'kgent' as const, sessions: row ?? { active: 0, closed: 0, expired: 0 } }
      },
    }),

    create: aspect({
      category: 'M',
      archetypes: TALKERS,
      summary: 'Begin a conversation; it ends after half an hour of silence',
      effects: ['writes:session'],
      input: z.strictObject({
        title: z.string().trim().min(1).max(200).optional(),
        mode: ModeName.optional(),
      }),
      output: Session,
      examples: [{ summary: 'About the garden', input: { title: 'The garden', mode: 'advise' } }],
      handle: async ({ title, mode }, call) => openSession(title, mode ?? (await modeOf(call)), call),
    }),

    list: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Your conversations, newest first',
      effects: ['reads:session'],
      input: z.strictObject({
        limit: z.int().min(1).max(100).default(20),
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({ sessions: z.array(Session), next_cursor: NextCursor }),
      examples: [{ summary: 'The latest ones', input: { limit: 5 } }],
      async handle(bounds, call) {
        const { page, next_cursor } = await listSessions(bounds, call)
        return { sessions: page, next_cursor }
      },
    }),

    message: aspect({
      category: 'M',
      archetypes: TALKERS,
      summary: 'Send a message, and get an answer',
      effects: ['writes:session', 'reads:session', 'calls:llm', 'charges:tokens'],
      cost: () => ({ tokens: BUDGETS.dialogue.estimate }),
      needs: ['inference'],
      input: z.strictObject({
        session: z.uuid(),
        message: z.string().trim().min(1).max(4000),
        mode: ModeName.optional(),
      }),
      output: z.strictObject({ session: z.uuid(), message: Message, mode: ModeName, tokens_used: z.int() }),
      examples: [
        {
          summary: 'Ask about the garden',
          input: { session: ITS_ID, message: 'What should I plant in spring?' },
          given: [OPENED],
        },
      ],
      async handle({ session: id, message, mode }, call) {
        const session = await findSession(id, call)
        if (session.status !== 'active') {
          throw new Failure(
            'PRECONDITION_FAILED',
            `Cannot talk in session "${id}": it is ${session.status}`,
            {
              suggestion: 'Begin another with self.kgent.create',
            },
          )
        }
        const chosen = mode ?? session.mode
        const before = await remembered(id, call)
        await addMessage(id, { role: 'user', content: message }, call)
        await keepIndexing(call, SESSIONS)
        return call.infer({
          messages: [
            { role: 'system', content: systemPrompt(chosen) },
            ...before,
            { role: 'user', content: message },
          ],
          maxTokens: BUDGETS.dialogue.replyTokens,
          temperature: temperatureOf(chosen),
          estimateTokens: BUDGETS.dialogue.estimate,
        })
      },
      async complete({ input, text, tokens, model }, call) {
        const { mode } = await findSession(input.session, call)
        const content = text.trim()
        const reply = { role: 'assistant' as const, content, model }
        const used = { tokens_in: tokens.prompt, tokens_out: tokens.completion }
        const id = await addMessage(input.session, { ...reply, ...used }, call)
        return {
          session: input.session,
          message: { id, ...reply, ...used, created_at: new Date().toISOString() },
          mode: input.mode ?? mode,
          tokens_used: tokens.prompt + tokens.completion,
        }
      },
    }),

    index: indexAspect(SESSIONS, TALKERS),

    history: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'The messages of a conversation, newest first',
      effects: ['reads:session'],
      input: z.strictObject({
        session: z.uuid(),
        limit: z.int().min(1).max(100).default(50),
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({
        session: Session,
        messages: z.array(Message),
        next_cursor: NextCursor,
      }),
      examples: [{ summary: 'What did we say?', input: { session: ITS_ID }, given: [OPENED] }],
      async handle({ session: id, ...bounds }, call) {
        const session = await findSession(id, call)
        const { page, next_cursor } = await readMessages(id, bounds, call)
        return { session, messages: page, next_cursor }
      },
    }),

    close: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'End a conversation; its messages stay',
      effects: ['writes:session'],
      input: SessionId,
      output: Session,
      examples: [{ summary: 'That was it', input: { session: ITS_ID }, given: [OPENED] }],
      async handle({ session }, call) {
        await findSession(session, call)
        return closeSession(session, call)
      },
    }),
  },
})

/** The latest of a conversation, oldest first, as far as it fits. */
async function remembered(session: string, call: Pick<Call, 'db'>) {
  const { page } = await readMessages(session, { limit: REMEMBERED_MESSAGES }, call)
  let left = REMEMBERED_CHARACTERS
  const fitting = page.filter(({ content }) => (left -= content.length) >= 0)
  return fitting.toReversed().map(({ role, content }) => ({ role, content }))
}
