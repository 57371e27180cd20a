/** Events by which conversations go on: a turn has ended, one is cancelled, what was said of it so far; and time. */
import { z } from 'zod'
import { JobCall } from '../../../../shared/calls/job-call.ts'
import type { Call, Given } from '../../../../shared/contract/call.ts'
import { tick, trigger } from '../../../../shared/contract/define-operation.ts'
import { Failure } from '../../../../shared/failures.ts'
import { InferenceFailure } from '../../../../shared/inference/messages.ts'
import { emitSession } from './events.ts'
import { addMessage } from './messages.ts'
import { buildPrompt } from './prompt.ts'
import { checkActive, describeSession, lockSession, type SessionRow } from './sessions.ts'
import { MessageInput } from './shapes.ts'
import {
  beginTurn,
  openTurns,
  releaseEnded,
  emitMessage,
  TURN_CANCELLED,
  TURN_ENDED,
  type OpenTurn,
} from './turns.ts'

type Driving = Pick<Call, 'db' | 'emit' | 'release' | 'endJob'>

/** Begins the turns that wait, in their order, until one runs. */
async function goOn(id: string, call: Driving): Promise<void> {
  const session = await lockSession(id, call)
  if (session === undefined) return
  await releaseEnded(session, call)
  for (const turn of await openTurns(session, call)) {
    if (turn.status === 'running' || (await begin(session, turn, call))) return
  }
}

/** Whether the turn runs; one that cannot is over, and so is its job. */
async function begin(session: SessionRow, { job }: OpenTurn, call: Driving): Promise<boolean> {
  const { db } = call
  const [row] = await db<{ call: unknown; status: string }[]>`select call, status from jobs where id = ${job}`
  const over = async () => {
    await db`update kgent_turns set status = 'done' where job = ${job}`
    return false
  }
  if (row?.status !== 'queued') return over()
  const { identity, input } = JobCall.parse(row.call)
  try {
    checkActive(session)
    const { message, mode = session.mode, budget = session.budget } = MessageInput.parse(input)
    const prompt = await buildPrompt(session, { message, mode, budget }, { db, identity })
    if (!(await call.release(job, prompt.request))) return await over()
    await beginTurn(session, { job, content: message, prompt }, call)
    return true
  } catch (error) {
    if (!(error instanceof Failure) || error.retry) throw error
    await call.endJob({ job, how: 'failed', reason: error.message, code: error.code })
    return over()
  }
}

const SessionOnly = z.looseObject({ session: z.uuid() })
const SessionJob = z.looseObject({ session: z.uuid(), job: z.uuid() })

export const sessionTriggers = [
  trigger({
    name: 'turn-ended',
    attributes: { type: TURN_ENDED },
    needs: ['postgres', 'events', 'inference', 'jobs'],
    data: SessionOnly,
    handle: ({ session }, call) => goOn(session, call),
  }),
  trigger({
    name: 'turn-cancelled',
    attributes: { type: TURN_CANCELLED },
    needs: ['postgres', 'jobs'],
    data: SessionJob,
    async handle({ job }, call) {
      await call.endJob({ job, how: 'cancelled' })
    },
  }),
  trigger({
    name: 'turn-so-far',
    attributes: { type: 'io.kgents.inference.failed', function: 'self-kgent' },
    needs: ['postgres', 'events'],
    data: InferenceFailure,
    handle: (failure, call) => keepSoFar(failure, call),
  }),
]

/** Keeps how far an answer had come that was cancelled; nothing where it had not begun, or quotes what was forgotten. */
async function keepSoFar(
  { job, text = '', tokens }: InferenceFailure,
  call: Pick<Call, 'db' | 'emit'>,
): Promise<void> {
  if (text.trim() === '') return
  const [turn] = await call.db<{ session_id: string; reply_position: number | null }[]>`
    select t.session_id, t.reply_position from kgent_turns t join jobs j on j.id = t.job
    where t.job = ${job} and j.status = 'cancelled' and j.forgotten_at is null`
  if (turn?.reply_position == null) return
  const session = await lockSession(turn.session_id, call)
  if (session === undefined) return
  const { prompt: tokens_in = 0, completion: tokens_out = 0 } = tokens ?? {}
  const said = { position: turn.reply_position, role: 'assistant', content: text.trim() } as const
  const kept = await addMessage(session, { ...said, interrupted: true, job, tokens_in, tokens_out }, call)
  emitMessage(session, kept, job, call)
}

/** Ends conversations in which nobody has spoken for long, and gives lost words again. */
export const sessionTick = tick({
  tenants: 'tenants_with_due_kgent_sessions',
  needs: ['postgres', 'events'],
  async handle(call: Given<'postgres' | 'events'>) {
    const due = await call.db<
      { id: string; has_turns: boolean }[]
    >`select id, has_turns from due_kgent_sessions`
    for (const { id, has_turns } of due) {
      if (has_turns) call.emit(TURN_ENDED, { session: id })
      else await endIdle(id, call)
    }
  },
})

/** A message may have come since it was found to be idle. */
async function endIdle(id: string, call: Pick<Call, 'db' | 'emit'>): Promise<void> {
  const session = await lockSession(id, call)
  if (session?.status !== 'active' || describeSession(session).status !== 'closed') return
  await call.db`update kgent_sessions set status = 'closed', ended_reason = 'idle' where id = ${id}`
  emitSession('idle', session, call, { reason: 'idle', status: 'closed' })
  emitSession('ended', session, call, { reason: 'idle', status: 'closed' })
}
