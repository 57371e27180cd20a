/**
 * Turns: a message and what a model answers to it. A conversation has one running turn at most, which its locked row and a unique
 * index both see to; others wait in their order, and the end of one is the event that begins the next.
 */
import type { Call } from '../../../../shared/contract/call.ts'
import { Failure } from '../../../../shared/failures.ts'
import { noteQuoted } from '../memory/sessions.ts'
import { emitSession } from './events.ts'
import { addMessage, takePlaces } from './messages.ts'
import type { Prompt } from './prompt.ts'
import type { SessionRow } from './sessions.ts'
import type { Message } from './shapes.ts'

export const TURN_ENDED = 'io.kgents.session.turn_ended'
export const TURN_CANCELLED = 'io.kgents.session.turn_cancelled'

/** Messages that may wait in one conversation. */
const MAX_QUEUED = 10
/** After which to try again where another message is being answered; about as long as a short answer takes. */
const RETRY_AFTER_SECONDS = 3

type Rows = Pick<Call, 'db'>

export interface OpenTurn {
  job: string
  number: number
  status: 'queued' | 'running'
}

/** Turns that a message would have to wait for; a running one whose job has ended is none. */
export async function openTurns({ id }: Pick<SessionRow, 'id'>, { db }: Rows): Promise<OpenTurn[]> {
  return db<OpenTurn[]>`
    select t.job, t.number, t.status from kgent_turns t left join jobs j on j.id = t.job
    where t.session_id = ${id} and t.status in ('queued', 'running')
      and (t.status = 'queued' or j.status in ('queued', 'running'))
    order by t.number`
}

/** Notes the end of a turn whose job has ended, however that was. */
export async function releaseEnded({ id }: Pick<SessionRow, 'id'>, { db }: Rows): Promise<void> {
  await db`
    update kgent_turns t set status = 'done'
    where t.session_id = ${id} and t.status = 'running'
      and not exists (select from jobs j where j.id = t.job and j.status in ('queued', 'running'))`
}

/** @throws Failure STATE_CONFLICT, with when to try again */
export function refuseBusy({ id }: SessionRow, turns: readonly OpenTurn[]): never {
  throw new Failure('STATE_CONFLICT', `Cannot send to session "${id}": another message is being answered`, {
    suggestion: 'Try again later, or send "when_busy": "enqueue" or "interrupt"',
    retryAfterSeconds: RETRY_AFTER_SECONDS * turns.length,
    details: { running_job: turns.find(({ status }) => status === 'running')?.job ?? null },
  })
}

/** @throws Failure STATE_CONFLICT where as many wait as may */
export function checkQueue({ id }: SessionRow, turns: readonly OpenTurn[]): void {
  const queued = turns.filter(({ status }) => status === 'queued').length
  if (queued < MAX_QUEUED) return
  throw new Failure(
    'STATE_CONFLICT',
    `Cannot send to session "${id}": ${queued} messages wait there already`,
    {
      suggestion: 'Try again later, or send "when_busy": "interrupt"',
      retryAfterSeconds: RETRY_AFTER_SECONDS * turns.length,
      details: { queued, limit: MAX_QUEUED },
    },
  )
}

/** A turn that waits, with the job that will answer it. */
export async function queueTurn(session: SessionRow, job: string, { db }: Rows): Promise<void> {
  const number = await nextNumber(session, { db })
  await db`
    insert into kgent_turns (job, tenant_id, session_id, number, status)
    values (${job}, ${session.tenant_id}, ${session.id}, ${number}, 'queued')`
}

/** A turn that runs from now on: its message joins the conversation, and the next place is the answer's. */
export async function beginTurn(
  session: SessionRow,
  { job, content, prompt }: { job: string; content: string; prompt: Prompt },
  call: Pick<Call, 'db' | 'emit'>,
): Promise<void> {
  const { db } = call
  const position = await takePlaces(session, 2, call)
  const said = await addMessage(session, { position, role: 'user', content, job }, call)
  const sent = prompt.sent.map((id) => (id === prompt.placeholder ? (said?.id ?? null) : id))
  await db`
    insert into kgent_turns (job, tenant_id, session_id, number, status, reply_position, sent)
    values (${job}, ${session.tenant_id}, ${session.id}, ${await nextNumber(session, call)}, 'running', ${position + 1}, ${db.json(sent)})
    on conflict (job) do update set status = 'running', reply_position = excluded.reply_position, sent = excluded.sent`
  const person = { tenant: session.tenant_id, user: session.user_id }
  await noteQuoted({ job, session: session.id, memories: prompt.memories }, { db, identity: person })
  emitMessage(session, said, job, call)
}

/** Ends all turns of a conversation before their time; what was said so far is kept when a worker has reported it. */
export async function interruptTurns(
  session: SessionRow,
  { db, emit }: Pick<Call, 'db' | 'emit'>,
): Promise<void> {
  const turns = await db<{ job: string }[]>`
    update kgent_turns set status = 'interrupted'
    where session_id = ${session.id} and status in ('queued', 'running') returning job`
  // Its own transaction cancels the job: whoever ends a job locks it first, and then the conversation.
  for (const { job } of turns) emit(TURN_CANCELLED, { session: session.id, job })
}

/** Publishes that a message has joined a conversation. */
export function emitMessage(
  session: SessionRow,
  message: Message | undefined,
  job: string | undefined,
  call: Pick<Call, 'emit'>,
): void {
  if (message === undefined) return
  const { id, position, role, interrupted } = message
  emitSession('message', session, call, {
    message: id,
    position,
    role,
    interrupted,
    ...(job === undefined ? {} : { job }),
  })
}

async function nextNumber(session: SessionRow, { db }: Rows): Promise<number> {
  session.last_turn++
  await db`update kgent_sessions set last_turn = ${session.last_turn} where id = ${session.id}`
  return session.last_turn
}
