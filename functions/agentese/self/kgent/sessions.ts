/** Conversations as rows: whose they are, how long they live, and their messages. */
import { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../../shared/contract/pages.ts'
import { Failure } from '../../../../shared/failures.ts'
import { spendSession } from '../../../../shared/plans/allowance.ts'
import { newId } from '../../../../shared/new-id.ts'
import { MODES, type Mode } from '../soul/persona.ts'

/** A conversation without a message for so long is over. */
const IDLE_MINUTES = 30

/** UUIDs of version 7 sort by time. */
export const NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')

export const SESSION_STATUSES = ['active', 'closed', 'expired'] as const

export const Session = z.strictObject({
  id: z.uuid(),
  title: z.string().nullable(),
  mode: z.enum(MODES),
  status: z.enum(SESSION_STATUSES),
  message_count: z.int(),
  tokens_used: z.int(),
  last_message_at: z.string().nullable(),
  created_at: z.string(),
  expires_at: z.string(),
})
export type Session = z.infer<typeof Session>

export const Message = z.strictObject({
  id: z.uuid(),
  role: z.enum(['user', 'assistant']),
  content: z.string(),
  tokens_in: z.int(),
  tokens_out: z.int(),
  model: z.string().nullable(),
  created_at: z.string(),
})
export type Message = z.infer<typeof Message>

interface SessionRow {
  id: string
  title: string | null
  mode: Mode
  status: 'active' | 'closed'
  message_count: number
  tokens_used: number
  last_message_at: Date | null
  created_at: Date
  expires_at: Date
}

/**
 * Opens a conversation.
 *
 * @throws Failure QUOTA_EXCEEDED where the plan has none left this month
 */
export async function openSession(
  title: string | undefined,
  mode: Mode,
  call: Pick<Call, 'db' | 'identity'>,
): Promise<Session> {
  const { db, identity } = call
  await spendSession(db, identity)
  const [row] = await db<SessionRow[]>`
    insert into kgent_sessions (id, tenant_id, user_id, title, mode, expires_at)
    values (${newId()}, ${identity.tenant}, ${identity.user}, ${title ?? null}, ${mode},
            now() + ${IDLE_MINUTES} * interval '1 minute')
    returning *`
  if (row === undefined) throw new TypeError('Cannot open a session: nothing was inserted')
  return describeSession(row)
}

/** @throws Failure NOT_FOUND for what is not this person's */
export async function findSession(
  id: string,
  { db, identity }: Pick<Call, 'db' | 'identity'>,
): Promise<Session> {
  const [row] = await db<SessionRow[]>`
    select * from kgent_sessions where id = ${id} and user_id = ${identity.user}`
  if (row !== undefined) return describeSession(row)
  throw new Failure('NOT_FOUND', `Cannot find session "${id}"`, {
    suggestion: 'self.kgent.list shows your sessions',
  })
}

/** Newest first, and the cursor of the next page. */
export async function listSessions(bounds: Bounds, { db, identity }: Pick<Call, 'db' | 'identity'>) {
  const sessions = db<SessionRow[]>`select * from kgent_sessions where user_id = ${identity.user}`
  const { page, next_cursor } = await NEWEST_FIRST.readPage(db, sessions, bounds)
  return { page: page.map(describeSession), next_cursor }
}

export async function closeSession(id: string, call: Pick<Call, 'db' | 'identity'>): Promise<Session> {
  await call.db`
    update kgent_sessions set status = 'closed' where id = ${id} and user_id = ${call.identity.user}`
  return findSession(id, call)
}

/** Messages, newest first, and the cursor of the next page. */
export async function readMessages(session: string, bounds: Bounds, { db }: Pick<Call, 'db'>) {
  const messages = db<(Omit<Message, 'created_at'> & { created_at: Date })[]>`
    select id, role, content, tokens_in, tokens_out, model, created_at from kgent_messages
    where session_id = ${session}`
  const { page, next_cursor } = await NEWEST_FIRST.readPage(db, messages, bounds)
  return { page: page.map((row) => ({ ...row, created_at: row.created_at.toISOString() })), next_cursor }
}

/** Adds a message, and keeps the conversation alive. */
export async function addMessage(
  session: string,
  message: Pick<Message, 'role' | 'content'> & Partial<Pick<Message, 'tokens_in' | 'tokens_out' | 'model'>>,
  { db, identity }: Pick<Call, 'db' | 'identity'>,
): Promise<string> {
  const { role, content, tokens_in = 0, tokens_out = 0, model = null } = message
  const id = newId()
  await db`
    with added as (
      insert into kgent_messages (id, tenant_id, session_id, role, content, tokens_in, tokens_out, model)
      values (${id}, ${identity.tenant}, ${session}, ${role}, ${content}, ${tokens_in}, ${tokens_out}, ${model})
    )
    update kgent_sessions set message_count = message_count + 1, tokens_used = tokens_used + ${tokens_in + tokens_out},
      last_message_at = now(), expires_at = now() + ${IDLE_MINUTES} * interval '1 minute'
    where id = ${session}`
  return id
}

function describeSession(row: SessionRow): Session {
  const { id, title, mode, message_count, tokens_used } = row
  return {
    id,
    title,
    mode,
    status: row.status === 'active' && row.expires_at.getTime() < Date.now() ? 'expired' : row.status,
    message_count,
    tokens_used,
    last_message_at: row.last_message_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
  }
}
