/** Tool calls that wait for a person: a semaphore is opened, and the run goes on by the event that ends it. */
import { beginningOf } from '../../../../shared/beginning.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import type { ToolCall } from '../../../../shared/inference/messages.ts'
import type { Identity } from '../../../../shared/identity/identity.ts'
import { endSemaphore, findSemaphore, openSemaphore } from '../../semaphores.ts'
import { addStep, CONTINUE, type RunRow } from './runs.ts'

const APPROVE = 'approve'
const REJECT = 'reject'
/** Characters of arguments that a person is shown in the question; all of them are in what it is about. */
const SHOWN = 1000

/** Whether a call of `tool` waits for a person; one that was approved has its semaphore still. */
export function needsApproval({ approval, semaphore_id }: RunRow, tool: string): boolean {
  if (semaphore_id !== null || approval === 'none') return false
  return approval === 'all' || approval.includes(tool)
}

type Writing = Pick<Call, 'db' | 'identity' | 'emit' | 'changed'>

/** Asks, in the name of whoever invoked the agent. */
export async function askPerson(
  run: RunRow,
  { name, arguments: given }: ToolCall,
  call: Writing,
): Promise<void> {
  const { id, handle, approval_seconds: seconds } = run
  const shown = beginningOf(given, SHOWN)
  const question = {
    reason: 'approval_needed',
    prompt: `May agent "${handle}" call ${name} with ${shown === '' ? 'no arguments' : shown}?`,
    options: [APPROVE, REJECT],
    severity: 'info',
    deadline: seconds === null ? undefined : new Date(Date.now() + seconds * 1000).toISOString(),
    about: { run: id, agent: handle, tool: name, arguments: given },
  } as const
  const { db, emit, changed } = call
  const semaphore = await openSemaphore(question, { db, emit, changed, identity: personOf(run, call) })
  await db`
    update agent_runs set state = 'human', semaphore_id = ${semaphore.id}, attempts = 0, moved_at = now() where id = ${id}`
}

/** Goes on with what a person has decided; with a question that nobody will answer any more, as if it were a no. */
export async function takeDecision(run: RunRow, wanted: ToolCall, call: Writing): Promise<void> {
  if (run.semaphore_id === null) return
  const { status, human_input, ended_by } = await findSemaphore(run.semaphore_id, call)
  if (status === 'pending') return
  const approved = status === 'resolved' && human_input === APPROVE
  const output = status === 'resolved' ? (human_input ?? '') : status
  const by = {
    tool: wanted.name,
    callId: wanted.id,
    input: JSON.stringify({ semaphore: run.semaphore_id, by: ended_by }),
  }
  const decided = await addStep(
    run,
    { kind: 'human', output, failed: !approved, ...by },
    { state: 'tools', semaphore: approved ? run.semaphore_id : null },
    call,
  )
  if (approved) call.emit(CONTINUE, { run: run.id })
  else await addAnswer(decided, wanted, { text: refusalOf(status), failed: true }, call)
}

function refusalOf(status: string): string {
  if (status === 'resolved')
    return 'Error: a person has refused this call. Do not call it again in the same way'
  return `Error: nobody has allowed this call, and the question is ${status}`
}

export interface ToolAnswer {
  text: string
  failed: boolean
  tokens?: number
  job?: string
  durationMs?: number
}

/** Adds the answer to the tool call that is next in a run that is locked. After the last one, the model is next. */
export async function addAnswer(
  run: RunRow,
  { id: callId, name: tool, arguments: input }: ToolCall,
  { text: output, ...answer }: ToolAnswer,
  call: Pick<Call, 'db' | 'identity' | 'emit'>,
): Promise<void> {
  const nextCall = run.next_call + 1
  const calls = await callsOf(run, call)
  const state = nextCall < calls.length ? 'tools' : 'model'
  await addStep(run, { kind: 'tool', tool, callId, input, output, ...answer }, { state, nextCall }, call)
  call.emit(CONTINUE, { run: run.id })
}

/** What the model has called in its last answer. */
export async function callsOf({ id, turn }: RunRow, { db }: Pick<Call, 'db'>): Promise<ToolCall[]> {
  const [row] = await db<{ calls: ToolCall[] }[]>`
    select calls from agent_steps where run_id = ${id} and n = ${turn} and kind = 'model'`
  return row?.calls ?? []
}

/** Takes back the question of a run that has ended. */
export async function withdrawQuestion(run: RunRow, call: Writing): Promise<void> {
  if (run.semaphore_id === null) return
  const { status } = await findSemaphore(run.semaphore_id, call)
  if (status !== 'pending') return
  const { db, emit, changed } = call
  const by = { db, emit, changed, identity: personOf(run, call) }
  await endSemaphore(run.semaphore_id, { status: 'cancelled', human_input: null }, by)
}

/** Semaphores look at nothing of an identity but whose it is. */
function personOf({ user_id: user }: RunRow, { identity }: Pick<Call, 'identity'>): Identity {
  return { ...identity, user }
}
