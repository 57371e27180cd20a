/**
 * `self.kgent`: conversations with K-gent that remember their messages and outlive every process. Each belongs to one person, and is
 * given to nobody else. A message asks a model with as much of the conversation before it as fits; the answer joins the conversation.
 */
import { z } from 'zod'
import { TALKERS } from '../../../shared/agentese/archetypes.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { NextCursor } from '../../../shared/contract/pages.ts'
import { indexAspect, keepIndexing } from '../../../shared/recall/indexing.ts'
import { emitSession } from './kgent/events.ts'
import { findMessage, NEWEST_MESSAGE_FIRST, readMessages } from './kgent/messages.ts'
import { sessionTick, sessionTriggers } from './kgent/queue.ts'
import { describeSession, findSession, listSessions, NEWEST_FIRST, openSession } from './kgent/sessions.ts'
import { changeSession, closeSession, forkSession, resetSession } from './kgent/settle.ts'
import { Message, MessageInput, MessageOutput, Session, SESSION_STATUSES, Settings } from './kgent/shapes.ts'
import { hear, speak } from './kgent/speak.ts'
import { keepSummary, summaryRequest } from './kgent/summarise.ts'
import { openTurns } from './kgent/turns.ts'
import { SESSIONS } from './memory/sessions.ts'
import { BUDGETS, checkBudget } from './soul/budgets.ts'
import { modeOf, requireMode } from './soul/mode.ts'

const SessionId = z.strictObject({ session: z.uuid() })
const OPENED = { path: 'self.kgent.create', input: { title: 'The garden' } }
const ITS_ID = { $from: 'given.0.result.id' }
const GREETED = { path: 'self.kgent.message', input: { session: ITS_ID, message: 'Hello' } }
const ONE = '/v1/kgent/sessions/:session'

export const selfKgent = defineNode('self.kgent', {
  summary: 'Conversations with K-gent, each of one person',
  triggers: sessionTriggers,
  tick: sessionTick,
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
        const [row] = await call.db<{ active: number; archived: number; closed: number }[]>`
          select count(*) filter (where status = 'active' and expires_at > now())::int as active,
                 count(*) filter (where status = 'archived')::int as archived,
                 count(*) filter (where status = 'closed' or status = 'active' and expires_at <= now())::int as closed
          from kgent_sessions where user_id = ${call.identity.user}`
        return { type: 'kgent' as const, sessions: row ?? { active: 0, archived: 0, closed: 0 } }
      },
    }),

    create: aspect({
      category: 'M',
      archetypes: TALKERS,
      summary: 'Begin a conversation; it ends after half an hour of silence',
      effects: ['writes:session'],
      route: 'POST /v1/kgent/sessions',
      creates: '/v1/kgent/sessions/:id',
      input: z.strictObject(Settings),
      output: Session,
      examples: [{ summary: 'About the garden', input: { title: 'The garden', mode: 'advise' } }],
      async handle(wanted, call) {
        if (wanted.mode !== undefined) await requireMode(wanted.mode, call)
        if (wanted.budget !== undefined) await checkBudget(wanted.budget, call)
        const row = await openSession({ ...wanted, mode: wanted.mode ?? (await modeOf(call)) }, call)
        emitSession('created', row, call, { mode: row.mode })
        return describeSession(row)
      },
    }),

    list: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Your conversations, newest first',
      effects: ['reads:session'],
      route: 'GET /v1/kgent/sessions',
      input: z.strictObject({
        status: z.enum(SESSION_STATUSES).optional(),
        limit: z.int().min(1).max(100).default(20),
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({ sessions: z.array(Session), next_cursor: NextCursor }),
      examples: [{ summary: 'The latest ones', input: { limit: 5 } }],
      handle: (wanted, call) => listSessions(wanted, call),
    }),

    read: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'One conversation: what is set, and how it stands',
      effects: ['reads:session'],
      route: `GET ${ONE}`,
      input: SessionId,
      output: Session.extend({
        running_job: z.uuid().nullable().describe('The job that answers a message now'),
        waiting_jobs: z.array(z.uuid()).describe('Jobs of messages that wait, in their order'),
      }),
      examples: [{ summary: 'Is it still open?', input: { session: ITS_ID }, given: [OPENED] }],
      async handle({ session }, call) {
        const found = await findSession(session, call)
        const turns = await openTurns(found, call)
        const running = turns.find(({ status }) => status === 'running')
        const waiting = turns.filter((each) => each !== running)
        return {
          ...describeSession(found),
          running_job: running?.job ?? null,
          waiting_jobs: waiting.map(({ job }) => job),
        }
      },
    }),

    update: aspect({
      category: 'M',
      archetypes: TALKERS,
      summary:
        'Change title, mode, budget or what is done when it is busy; archive it, or make it active again',
      effects: ['writes:session'],
      route: `PATCH ${ONE}`,
      input: SessionId.extend({ ...Settings, status: z.enum(['active', 'archived']).optional() }),
      output: Session,
      examples: [
        { summary: 'Another title', input: { session: ITS_ID, title: 'The orchard' }, given: [OPENED] },
      ],
      handle: (changes, call) => changeSession(changes, call),
    }),

    message: aspect({
      category: 'M',
      archetypes: TALKERS,
      summary: 'Send a message, and get an answer',
      effects: ['writes:session', 'reads:session', 'calls:llm', 'charges:tokens'],
      cost: () => ({ tokens: BUDGETS.dialogue.estimate }),
      needs: ['inference'],
      route: `POST ${ONE}/messages`,
      input: MessageInput,
      output: MessageOutput,
      examples: [
        {
          summary: 'Ask about the garden',
          input: { session: ITS_ID, message: 'What should I plant in spring?' },
          given: [OPENED],
        },
      ],
      handle: (input, call) => speak(input, call),
      async complete(completed, call) {
        const output = await hear(completed, call)
        await keepIndexing(call, SESSIONS)
        const request = await summaryRequest(await findSession(output.session, call), call)
        if (request !== undefined) call.infer(request.inference, { as: 'summarise', input: request.input })
        return output
      },
    }),

    index: indexAspect(SESSIONS, TALKERS),

    history: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'The messages of a conversation, newest first',
      effects: ['reads:session'],
      route: `GET ${ONE}/messages`,
      input: SessionId.extend({
        limit: z.int().min(1).max(100).default(50),
        cursor: NEWEST_MESSAGE_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({
        session: Session,
        messages: z.array(Message),
        next_cursor: NextCursor,
      }),
      examples: [{ summary: 'What did we say?', input: { session: ITS_ID }, given: [OPENED] }],
      async handle({ session: id, ...bounds }, call) {
        const session = describeSession(await findSession(id, call))
        return { session, ...(await readMessages(id, bounds, call)) }
      },
    }),

    quote: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'One message of a conversation',
      effects: ['reads:session'],
      route: `GET ${ONE}/messages/:message`,
      input: SessionId.extend({ message: z.uuid() }),
      output: Message,
      examples: [
        {
          summary: 'What did you answer?',
          input: { session: ITS_ID, message: { $from: 'given.1.result.message.id' } },
          given: [OPENED, GREETED],
        },
      ],
      async handle({ session, message }, call) {
        await findSession(session, call)
        return findMessage(session, message, call)
      },
    }),

    fork: aspect({
      category: 'M',
      archetypes: TALKERS,
      summary: 'Begin another conversation with what was said up to a message of this one',
      effects: ['reads:session', 'writes:session'],
      route: `POST ${ONE}/fork`,
      creates: '/v1/kgent/sessions/:id',
      input: SessionId.extend({
        message: z.uuid().optional().describe('Default: the latest one'),
        title: Settings.title,
      }),
      output: Session,
      examples: [{ summary: 'What if?', input: { session: ITS_ID }, given: [OPENED, GREETED] }],
      handle: (wanted, call) => forkSession(wanted, call),
    }),

    reset: aspect({
      category: 'M',
      archetypes: TALKERS,
      summary: 'Begin afresh: no model is shown what was said before, which you can still read',
      effects: ['writes:session'],
      route: `POST ${ONE}/reset`,
      input: SessionId,
      output: Session,
      examples: [{ summary: 'Let us start again', input: { session: ITS_ID }, given: [OPENED] }],
      handle: ({ session }, call) => resetSession(session, call),
    }),

    summarise: aspect({
      category: 'M',
      archetypes: TALKERS,
      summary:
        'Have the older messages made short for the model, once they are long; this also happens by itself',
      effects: ['reads:session', 'writes:session', 'calls:llm', 'charges:tokens'],
      cost: () => ({ tokens: BUDGETS.deep.estimate }),
      needs: ['inference'],
      input: SessionId.extend({ until: z.int().min(0).default(0).describe('Of no use to callers') }),
      output: z.strictObject({ session: z.uuid(), covers_to: z.int(), summary: z.string() }),
      examples: [{ summary: 'What do you keep in mind?', input: { session: ITS_ID }, given: [OPENED] }],
      async handle({ session: id }, call) {
        const session = await findSession(id, call)
        const request = await summaryRequest(session, call)
        if (request === undefined) return { session: id, covers_to: 0, summary: '' }
        return call.infer(request.inference, { as: 'summarise', input: request.input })
      },
      complete: (completed, call) => keepSummary(completed, call),
    }),

    close: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'End a conversation; its messages stay',
      effects: ['writes:session'],
      route: `DELETE ${ONE}`,
      input: SessionId,
      output: Session,
      examples: [{ summary: 'That was it', input: { session: ITS_ID }, given: [OPENED] }],
      handle: ({ session }, call) => closeSession(session, call),
    }),
  },
})
