/** Conversations as rows: whose they are, how long they live, and what is set. */
import type { Call } from '../../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../../shared/contract/pages.ts'
import { Failure } from '../../../../shared/failures.ts'
import { newId } from '../../../../shared/new-id.ts'
import { spendSession } from '../../../../shared/plans/allowance.ts'
import type { BudgetTier } from '../soul/budgets.ts'
import type { Mode } from '../soul/persona.ts'
import type { Session, WhenBusy } from './shapes.ts'

/** A conversation without a message for so long is over. */
export const IDLE_MINUTES = 30

/** UUIDs of version 7 sort by time. */
export const NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')

export interface SessionRow {
  id: string
  tenant_id: string
  user_id: string
  title: string | null
  mode: Mode
  budget: BudgetTier
  when_busy: WhenBusy
  status: Session['status']
  ended_reason: Session['ended_reason']
  forked_from: string | null
  forked_at: number | null
  reset_at: number
  last_position: number
  last_turn: number
  message_count: number
  tokens_used: number
  last_message_at: Date | null
  created_at: Date
  expires_at: Date
}

export interface NewSession {
  title?: string | undefined
  mode: Mode
  budget?: BudgetTier | undefined
  when_busy?: WhenBusy | undefined
}

type Rows = Pick<Call, 'db' | 'identity'>

/**
 * Opens a conversation.
 *
 * @throws Failure QUOTA_EXCEEDED where the plan has none left this month
 */
export async function openSession(
  { title, mode, budget = 'dialogue', when_busy = 'reject' }: NewSession,
  { db, identity }: Rows,
): Promise<SessionRow> {
  await spendSession(db, identity)
  const [row] = await db<SessionRow[]>`
    insert into kgent_sessions (id, tenant_id, user_id, title, mode, budget, when_busy, expires_at)
    values (${newId()}, ${identity.tenant}, ${identity.user}, ${title ?? null}, ${mode}, ${budget}, ${when_busy},
            now() + ${IDLE_MINUTES} * interval '1 minute')
    returning *`
  if (row === undefined) throw new TypeError('Cannot open a session: nothing was inserted')
  return row
}

/**
 * A conversation of the caller.
 *
 * @param lock keeps everybody else from changing it until the transaction ends
 * @throws Failure NOT_FOUND for what is not this person's
 */
export async function findSession(id: string, { db, identity }: Rows, lock?: 'lock'): Promise<SessionRow> {
  const [row] = await db<SessionRow[]>`
    select * from kgent_sessions where id = ${id} and user_id = ${identity.user}
    ${lock === undefined ? db`` : db`for update`}`
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', `Cannot find session "${id}"`, {
    suggestion: 'self.kgent.list shows your sessions',
  })
}

/** A conversation of anybody of the tenant, locked; undefined where there is none. */
export async function lockSession(id: string, { db }: Pick<Call, 'db'>): Promise<SessionRow | undefined> {
  const [row] = await db<SessionRow[]>`select * from kgent_sessions where id = ${id} for update`
  return row
}

/** @throws Failure PRECONDITION_FAILED where it takes no messages */
export function checkActive(row: SessionRow): void {
  const { status, ended_reason } = describeSession(row)
  if (status === 'active') return
  const why =
    status === 'archived'
      ? 'it is archived'
      : `it is closed${ended_reason === 'idle' ? ' since nobody spoke for half an hour' : ''}`
  throw new Failure('PRECONDITION_FAILED', `Cannot talk in session "${row.id}": ${why}`, {
    suggestion:
      status === 'archived'
        ? 'Make it active with self.kgent.update'
        : 'Begin another with self.kgent.create, or go on from one of its messages with self.kgent.fork',
    details: { status, ended_reason },
  })
}

/** Newest first, and the cursor of the next page. */
export async function listSessions(
  { status, ...bounds }: Bounds & { status?: Session['status'] | undefined },
  { db, identity }: Rows,
) {
  const sessions = db<SessionRow[]>`
    select * from kgent_sessions where user_id = ${identity.user}
      and (${status ?? null}::text is null or ${status ?? null} =
        case when status = 'active' and expires_at <= now() then 'closed' else status end)`
  const { page, next_cursor } = await NEWEST_FIRST.readPage(db, sessions, bounds)
  return { sessions: page.map(describeSession), next_cursor }
}

export function describeSession(row: SessionRow): Session {
  const { id, title, mode, budget, when_busy, message_count, tokens_used, forked_from, forked_at } = row
  // A tick writes it down; until then the time decides.
  const isIdle = row.status === 'active' && row.expires_at.getTime() <= Date.now()
  return {
    id,
    title,
    mode,
    budget,
    when_busy,
    status: isIdle ? 'closed' : row.status,
    ended_reason: isIdle ? 'idle' : row.ended_reason,
    forked_from: forked_from === null ? null : { session: forked_from, position: forked_at ?? 0 },
    message_count,
    tokens_used,
    last_message_at: row.last_message_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
  }
}
