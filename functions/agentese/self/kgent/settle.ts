/** What a person does with a conversation besides talking: set, archive, reset, fork and end it. */
import type { Call } from '../../../../shared/contract/call.ts'
import { Failure } from '../../../../shared/failures.ts'
import { requireMode } from '../soul/mode.ts'
import { checkBudget, type BudgetTier } from '../soul/budgets.ts'
import type { Mode } from '../soul/persona.ts'
import { copyQuotes } from '../memory/sessions.ts'
import { emitSession } from './events.ts'
import { findMessage, latestMessage } from './messages.ts'
import {
  checkActive,
  describeSession,
  findSession,
  IDLE_MINUTES,
  openSession,
  type SessionRow,
} from './sessions.ts'
import type { Session, WhenBusy } from './shapes.ts'
import { interruptTurns } from './turns.ts'

type Writing = Pick<Call, 'db' | 'identity' | 'emit'>

export interface Changes {
  session: string
  title?: string | undefined
  mode?: Mode | undefined
  budget?: BudgetTier | undefined
  when_busy?: WhenBusy | undefined
  status?: 'active' | 'archived' | undefined
}

/** @throws Failure NOT_FOUND, TIER_REQUIRED, PRECONDITION_FAILED where a closed one would be active again */
export async function changeSession({ session: id, ...changes }: Changes, call: Writing): Promise<Session> {
  const row = await findSession(id, call, 'lock')
  const { title = null, mode = null, budget = null, when_busy = null, status = null } = changes
  if (mode !== null) await requireMode(mode, call)
  if (budget !== null) await checkBudget(budget, call)
  if (status !== null && row.status === 'closed') checkActive(row)
  if (status === 'archived') await interruptTurns(row, call)
  await call.db`
    update kgent_sessions set title = coalesce(${title}, title), mode = coalesce(${mode}, mode), budget = coalesce(${budget}, budget),
      when_busy = coalesce(${when_busy}, when_busy), status = coalesce(${status}, status),
      expires_at = case when ${status}::text = 'active' then now() + ${IDLE_MINUTES} * interval '1 minute' else expires_at end
    where id = ${id}`
  const changed = await findSession(id, call)
  emitSession('changed', changed, call, { mode: changed.mode, status: changed.status })
  return describeSession(changed)
}

/** Ends it; its messages stay. To end it again changes nothing. */
export async function closeSession(id: string, call: Writing): Promise<Session> {
  const row = await findSession(id, call, 'lock')
  if (row.status === 'closed') return describeSession(row)
  await interruptTurns(row, call)
  await call.db`update kgent_sessions set status = 'closed', ended_reason = 'closed' where id = ${id}`
  emitSession('ended', row, call, { reason: 'closed', status: 'closed' })
  return describeSession(await findSession(id, call))
}

/** From now on no model is shown what was said before; people still are. */
export async function resetSession(id: string, call: Writing): Promise<Session> {
  const row = await findSession(id, call, 'lock')
  checkActive(row)
  await interruptTurns(row, call)
  await call.db`update kgent_sessions set reset_at = last_position where id = ${id}`
  emitSession('reset', row, call, { position: row.last_position })
  return describeSession(row)
}

/**
 * A new conversation that begins with what was said up to a message, or all of it. It counts as one of the month.
 *
 * @throws Failure NOT_FOUND, QUOTA_EXCEEDED, PRECONDITION_FAILED where nothing has been said
 */
export async function forkSession(
  {
    session: id,
    message: at,
    title,
  }: { session: string; message?: string | undefined; title?: string | undefined },
  call: Writing,
): Promise<Session> {
  const from = await findSession(id, call)
  const message = at === undefined ? await latestMessage(id, call) : await findMessage(id, at, call)
  if (message === undefined) throw nothingSaid(id)
  const { mode, budget, when_busy } = from
  const fork = await openSession({ title: title ?? from.title ?? undefined, mode, budget, when_busy }, call)
  await copy(from, fork, message.position, call)
  const row = await findSession(fork.id, call)
  emitSession('forked', row, call, { forked_from: id, position: message.position })
  return describeSession(row)
}

async function copy(from: SessionRow, to: SessionRow, until: number, { db }: Writing): Promise<void> {
  await db`
    insert into kgent_messages (id, tenant_id, session_id, position, role, content, tokens, interrupted, model, created_at)
    select gen_random_uuid(), tenant_id, ${to.id}, position, role, content, tokens, interrupted, model, created_at
    from kgent_messages where session_id = ${from.id} and position <= ${until}`
  await db`
    insert into kgent_summaries (id, tenant_id, session_id, covers_from, covers_to, content, tokens)
    select gen_random_uuid(), tenant_id, ${to.id}, covers_from, covers_to, content, tokens
    from kgent_summaries where session_id = ${from.id} and covers_to <= ${until}`
  await copyQuotes(from.id, to.id, { db })
  await db`
    update kgent_sessions set forked_from = ${from.id}, forked_at = ${until}, last_position = ${until},
      reset_at = ${Math.min(from.reset_at, until)},
      message_count = (select count(*) from kgent_messages where session_id = ${to.id})
    where id = ${to.id}`
}

function nothingSaid(id: string): Failure {
  return new Failure('PRECONDITION_FAILED', `Cannot fork session "${id}": nothing has been said in it`, {
    suggestion: 'Begin another with self.kgent.create',
  })
}
