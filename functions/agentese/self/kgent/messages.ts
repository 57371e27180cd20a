/** Messages of conversations as rows: their places, and what a model has counted of them. */
import type { Call } from '../../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../../shared/contract/pages.ts'
import { Failure } from '../../../../shared/failures.ts'
import { newId } from '../../../../shared/new-id.ts'
import { IDLE_MINUTES, type SessionRow } from './sessions.ts'
import type { Message } from './shapes.ts'
import type { Said, Summary } from './window.ts'

/** The latest messages that are read for a prompt; more than fit in any window. */
const MAX_HISTORY = 1000

export const NEWEST_MESSAGE_FIRST = orderBy({ position: 'bigint' }, 'desc')

type Rows = Pick<Call, 'db'>
type MessageRow = Omit<Message, 'created_at'> & { created_at: Date }

/** Acquires places at the end of a conversation, which is locked; answers the first of them. */
export async function takePlaces(session: SessionRow, count: number, { db }: Rows): Promise<number> {
  const first = session.last_position + 1
  session.last_position += count
  await db`update kgent_sessions set last_position = ${session.last_position} where id = ${session.id}`
  return first
}

export interface NewMessage {
  position: number
  role: 'user' | 'assistant'
  content: string
  interrupted?: boolean
  job?: string | undefined
  tokens?: number | undefined
  tokens_in?: number
  tokens_out?: number
  model?: string | null
}

/** Adds a message, and keeps the conversation alive; undefined where there is one at that place. */
export async function addMessage(
  { id: session, tenant_id }: SessionRow,
  message: NewMessage,
  { db }: Rows,
): Promise<Message | undefined> {
  const { position, role, content, interrupted = false, job = null, tokens = null } = message
  const { tokens_in = 0, tokens_out = 0, model = null } = message
  const [row] = await db<MessageRow[]>`
    insert into kgent_messages (id, tenant_id, session_id, position, role, content, interrupted, job, tokens, tokens_in, tokens_out, model)
    values (${newId()}, ${tenant_id}, ${session}, ${position}, ${role}, ${content}, ${interrupted}, ${job}, ${tokens},
            ${tokens_in}, ${tokens_out}, ${model})
    on conflict (session_id, position) do nothing
    returning id, position, role, content, interrupted, job, tokens_in, tokens_out, model, created_at`
  if (row === undefined) return undefined
  await db`
    update kgent_sessions set message_count = message_count + 1, tokens_used = tokens_used + ${tokens_in + tokens_out},
      last_message_at = now(), expires_at = now() + ${IDLE_MINUTES} * interval '1 minute'
    where id = ${session}`
  return describe(row)
}

/** Messages, newest first, and the cursor of the next page. */
export async function readMessages(session: string, bounds: Bounds, { db }: Rows) {
  const messages = db<MessageRow[]>`${columns(db)} where session_id = ${session}`
  const { page, next_cursor } = await NEWEST_MESSAGE_FIRST.readPage(db, messages, bounds)
  return { messages: page.map(describe), next_cursor }
}

/** @throws Failure NOT_FOUND for what is no message of that conversation */
export async function findMessage(session: string, id: string, { db }: Rows): Promise<Message> {
  const [row] = await db<MessageRow[]>`${columns(db)} where session_id = ${session} and id = ${id}`
  if (row !== undefined) return describe(row)
  throw new Failure('NOT_FOUND', `Cannot find message "${id}": session "${session}" has no such message`, {
    suggestion: 'self.kgent.history shows its messages',
  })
}

/** The latest message; undefined where there is none. */
export async function latestMessage(session: string, { db }: Rows): Promise<Message | undefined> {
  const [row] = await db<MessageRow[]>`
    ${columns(db)} where session_id = ${session} order by position desc limit 1`
  return row === undefined ? undefined : describe(row)
}

function columns(db: Rows['db']) {
  return db`select id, position, role, content, interrupted, job, tokens_in, tokens_out, model, created_at from kgent_messages`
}

/** What a model may be shown: the latest summary, and the messages after it, oldest first. */
export async function readHistory(
  { id, reset_at }: SessionRow,
  { db }: Rows,
): Promise<{ history: Said[]; summary: (Summary & { covers_to: number }) | undefined }> {
  const [summary] = await db<(Summary & { covers_to: number })[]>`
    select content, tokens, covers_to from kgent_summaries
    where session_id = ${id} and covers_from > ${reset_at} order by covers_to desc limit 1`
  const after = Math.max(reset_at, summary?.covers_to ?? 0)
  const latest = await db<Said[]>`
    select id, position, role, content, tokens from kgent_messages
    where session_id = ${id} and position > ${after} and content <> '' and role in ('user', 'assistant')
    order by position desc limit ${MAX_HISTORY}`
  return { history: latest.toReversed(), summary }
}

/** Keeps what a model has counted of the messages that it was sent. */
export async function keepCounts(
  sent: readonly (string | null)[],
  counts: readonly number[] | undefined,
  { db }: Rows,
): Promise<void> {
  const counted = sent.flatMap((id, at) => {
    const tokens = counts?.[at]
    return id === null || tokens === undefined ? [] : [{ id, tokens }]
  })
  if (counted.length === 0) return
  await db`
    update kgent_messages m set tokens = c.tokens
    from jsonb_to_recordset(${db.json(counted)}) as c (id uuid, tokens int)
    where m.id = c.id and m.tokens is null`
}

function describe({ created_at, ...row }: MessageRow): Message {
  return { ...row, created_at: created_at.toISOString() }
}
