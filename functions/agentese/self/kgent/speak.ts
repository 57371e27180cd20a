/** A message of a person: answered at once where no model is needed, else a turn that runs, waits, or interrupts. */
import type { Accepted, Call, Completed } from '../../../../shared/contract/call.ts'
import { billAtOnce, BUDGETS, checkBudget } from '../soul/budgets.ts'
import { requireMode } from '../soul/mode.ts'
import type { Mode } from '../soul/persona.ts'
import { remarkOf, templateOf } from '../soul/templates.ts'
import { emitSession } from './events.ts'
import { addMessage, keepCounts, takePlaces } from './messages.ts'
import { buildPrompt, mostTokens, type Wanted } from './prompt.ts'
import { checkActive, findSession, type SessionRow } from './sessions.ts'
import type { Message, MessageInput, MessageOutput } from './shapes.ts'
import {
  beginTurn,
  checkQueue,
  interruptTurns,
  openTurns,
  queueTurn,
  refuseBusy,
  releaseEnded,
  emitMessage,
  TURN_ENDED,
} from './turns.ts'

type Speaking = Pick<Call, 'db' | 'identity' | 'observer' | 'charge' | 'emit' | 'infer' | 'hasModel'>

/** @throws Failure NOT_FOUND, PRECONDITION_FAILED, STATE_CONFLICT, TIER_REQUIRED, QUOTA_EXCEEDED, INFERENCE_REFUSED */
export async function speak(input: MessageInput, call: Speaking): Promise<MessageOutput | Accepted> {
  const session = await findSession(input.session, call, 'lock')
  checkActive(session)
  const budget = input.budget ?? session.budget
  await checkBudget(budget, call)
  if (input.mode !== undefined) await requireMode(input.mode, call)
  const wanted = { message: input.message, mode: input.mode ?? session.mode, budget }
  const ready = await readyAnswer(session, wanted, call)
  if (ready !== undefined) return answerAtOnce(session, wanted, ready, call)
  return takeTurn(session, input, wanted, call)
}

async function takeTurn(
  session: SessionRow,
  input: MessageInput,
  wanted: Wanted,
  call: Speaking,
): Promise<Accepted> {
  // Also where it has to wait: a message that can never be sent is refused now.
  const prompt = await buildPrompt(session, wanted, call)
  const whenEnded = { type: TURN_ENDED, data: { session: session.id } } as const
  await releaseEnded(session, call)
  const turns = await openTurns(session, call)
  const how = input.when_busy ?? session.when_busy
  if (turns.length > 0 && how === 'reject') refuseBusy(session, turns)
  if (turns.length > 0 && how === 'enqueue') {
    checkQueue(session, turns)
    const accepted = call.infer(
      { ...prompt.request, estimateTokens: mostTokens(call) },
      { held: true, whenEnded },
    )
    await queueTurn(session, accepted.job, call)
    return accepted
  }
  if (turns.length > 0) await interruptTurns(session, call)
  const accepted = call.infer({ ...prompt.request, estimateTokens: prompt.tokens }, { whenEnded })
  await beginTurn(session, { job: accepted.job, content: wanted.message, prompt }, call)
  return accepted
}

interface Ready {
  text: string
  mode: Mode
  tokens: number
}

/** What is said without a model; undefined where it takes one. */
async function readyAnswer(
  session: SessionRow,
  { message, mode, budget }: Wanted,
  call: Speaking,
): Promise<Ready | undefined> {
  const remark = remarkOf(message)
  if (remark?.kind === 'mode switch') return switchMode(session, remark.mode, call)
  if (remark !== undefined) return { text: templateOf(remark.kind, mode), mode, tokens: 0 }
  const { replyTokens, estimate } = BUDGETS[budget]
  if (replyTokens === 0) {
    if (estimate > 0) await billAtOnce(estimate, call)
    return { text: templateOf('whisper', mode), mode, tokens: estimate }
  }
  return call.hasModel() ? undefined : { text: templateOf('fallback', mode), mode, tokens: 0 }
}

async function switchMode(session: SessionRow, mode: Mode, call: Speaking): Promise<Ready> {
  await requireMode(mode, call)
  await call.db`update kgent_sessions set mode = ${mode} where id = ${session.id}`
  emitSession('changed', session, call, { mode })
  return { text: `From now on I ${mode} with you.`, mode, tokens: 0 }
}

/** Both messages join the conversation at once; a turn that runs meanwhile keeps its places. */
async function answerAtOnce(
  session: SessionRow,
  { message }: Wanted,
  { text, mode, tokens }: Ready,
  call: Speaking,
): Promise<MessageOutput> {
  const position = await takePlaces(session, 2, call)
  const said = await addMessage(session, { position, role: 'user', content: message }, call)
  const added = { position: position + 1, role: 'assistant', content: text, tokens_out: tokens } as const
  const reply = await addMessage(session, added, call)
  if (reply === undefined) throw new TypeError(`Cannot answer in session "${session.id}": the place is taken`)
  for (const each of [said, reply]) emitMessage(session, each, undefined, call)
  return { session: session.id, message: reply, mode, tokens_used: tokens, was_template: true }
}

/** Goes on with a model's answer: it is put where it was to be, also where another message has come between. */
export async function hear(
  { input, job, text, tokens, model, messageTokens }: Completed<MessageInput>,
  call: Pick<Call, 'db' | 'identity' | 'emit'>,
): Promise<MessageOutput> {
  const { db } = call
  const session = await findSession(input.session, call, 'lock')
  const [turn] = await db<{ status: string; reply_position: number | null; sent: (string | null)[] }[]>`
    update kgent_turns t set status = case when t.status = 'running' then 'done' else t.status end
    where job = ${job} returning status, reply_position, sent`
  const position = turn?.reply_position ?? (await takePlaces(session, 1, call))
  const interrupted = turn?.status === 'interrupted'
  const used = { tokens_in: tokens.prompt, tokens_out: tokens.completion, tokens: tokens.completion }
  const said = {
    position,
    role: 'assistant',
    content: text.trim(),
    job,
    model,
    interrupted,
    ...used,
  } as const
  const reply = (await addMessage(session, said, call)) ?? (await messageAt(session, position, call))
  await keepCounts(turn?.sent ?? [], messageTokens, call)
  emitMessage(session, reply, job, call)
  return {
    session: session.id,
    message: reply,
    mode: input.mode ?? session.mode,
    tokens_used: tokens.prompt + tokens.completion,
    was_template: false,
  }
}

/** The answer that was kept as interrupted before the whole of it came. */
async function messageAt({ id }: SessionRow, position: number, { db }: Pick<Call, 'db'>): Promise<Message> {
  const [row] = await db<(Omit<Message, 'created_at'> & { created_at: Date })[]>`
    select id, position, role, content, interrupted, job, tokens_in, tokens_out, model, created_at
    from kgent_messages where session_id = ${id} and position = ${position}`
  if (row === undefined) throw new TypeError(`Cannot find message ${position} of session "${id}"`)
  return { ...row, created_at: row.created_at.toISOString() }
}
