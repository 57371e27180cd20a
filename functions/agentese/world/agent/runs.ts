/** The rows of runs and their steps. */
import type { Call } from '../../../../shared/contract/call.ts'
import type { JobStatus } from '../../../../shared/contract/job-end.ts'
import type { Db } from '../../../../shared/database/database.ts'
import type { FailureCode } from '../../../../shared/failures.ts'
import { FinishReason, type ToolCall } from '../../../../shared/inference/messages.ts'
import type { Approval } from './rows.ts'

/** Goes on with a run; may come any number of times. */
export const CONTINUE = 'io.kgents.agent.continue'
/** A step was added to a run. */
const STEPPED = 'io.kgents.agent.step'

/** Why a run ended: as its model's last answer did, or at a limit. */
export const FINISHES = [...FinishReason.options, 'step_limit', 'budget'] as const
export type Finish = (typeof FINISHES)[number]

export interface RunRow {
  id: string
  user_id: string
  max_steps: number
  budget_tokens: number | null
  state: 'model' | 'tools' | 'human'
  position: number
  turn: number
  next_call: number
  steps: number
  tokens_used: number
  waiting_job: string | null
  semaphore_id: string | null
  attempts: number
  /** Of the job: how it stands, with what it was called, and whether it quotes what was forgotten. */
  status: JobStatus
  call: unknown
  forgotten: boolean
  /** Of the agent. */
  handle: string
  name: string
  instructions: string
  tools: string[]
  model: string | null
  memory: boolean
  approval: Approval
  approval_seconds: number | null
}

/** A run; locked, its job is so too: nobody else goes on with it or cancels it meanwhile. */
export async function loadRun(db: Db, id: string, lock?: 'lock'): Promise<RunRow | undefined> {
  const [run] = await db<RunRow[]>`
    select r.id, r.user_id, r.max_steps, r.budget_tokens::float8 as budget_tokens, r.state, r.position, r.turn, r.next_call,
      r.steps, r.tokens_used::float8 as tokens_used, r.waiting_job, r.semaphore_id, r.attempts,
      j.status, j.call, j.forgotten_at is not null as forgotten,
      a.handle, a.name, a.instructions, a.tools, a.model, a.memory, a.approval, a.approval_seconds
    from agent_runs r join jobs j on j.id = r.id join agents a on a.id = r.agent_id
    where r.id = ${id} ${lock === undefined ? db`` : db`for update of r, j`}`
  return run
}

export interface NewStep {
  kind: 'memory' | 'model' | 'tool' | 'human'
  tool?: string
  callId?: string
  input?: string
  output: string
  calls?: readonly ToolCall[]
  failed?: boolean
  model?: string
  tokens?: number
  job?: string | null
  /** Default: since the run last moved, as with what it waits for. */
  durationMs?: number
}

/** Where a run stands after a step. */
export interface Move {
  state: RunRow['state']
  turn?: number
  nextCall?: number
  semaphore?: string | null
}

/**
 * Adds a step to a run that is locked, and moves it on. With that it waits for nothing, and what failed before counts no more.
 * What quotes something that was forgotten is not kept.
 */
export async function addStep(
  run: RunRow,
  step: NewStep,
  move: Move,
  { db, identity, emit }: Pick<Call, 'db' | 'identity' | 'emit'>,
): Promise<RunRow> {
  const n = run.position + 1
  const {
    kind,
    tool = null,
    callId = null,
    model = null,
    tokens = 0,
    job = null,
    durationMs = null,
    failed = false,
  } = step
  const { input = '', output, calls = [] } = run.forgotten ? { output: '' } : step
  const steps = run.steps + (kind === 'model' ? 1 : 0)
  const { state, turn = run.turn, nextCall = run.next_call, semaphore = null } = move
  await db`
    with step as (
      insert into agent_steps (run_id, n, tenant_id, kind, tool, call_id, input, output, calls, failed, model,
        tokens, job, duration_ms)
      select id, ${n}, ${identity.tenant}, ${kind}, ${tool}, ${callId}, ${input}, ${output}, ${db.json([...calls])},
        ${failed}, ${model}, ${tokens}, ${job},
        coalesce(${durationMs}::float8, greatest(0, extract(epoch from now() - moved_at) * 1000))::int
      from agent_runs where id = ${run.id}
    )
    update agent_runs set state = ${state}, position = ${n}, turn = ${turn}, next_call = ${nextCall}, steps = ${steps},
      tokens_used = tokens_used + ${tokens}, waiting_job = null, semaphore_id = ${semaphore}, attempts = 0, moved_at = now()
    where id = ${run.id}`
  emit(STEPPED, { run: run.id, step: n, kind, tool, failed, tokens, job })
  const tokens_used = run.tokens_used + tokens
  const moved = { state, turn, next_call: nextCall, semaphore_id: semaphore, waiting_job: null, attempts: 0 }
  return { ...run, ...moved, position: n, steps, tokens_used }
}

/** Ends a run that is locked with what it has come to. */
export async function endRun(
  run: RunRow,
  { finish, output, model }: { finish: Finish; output: string; model: string },
  { db, endJob }: Pick<Call, 'db' | 'endJob'>,
): Promise<void> {
  const { id, handle: agent, steps, tokens_used } = run
  await db`update agent_runs set finish = ${finish}, waiting_job = null, moved_at = now() where id = ${id}`
  const result = { agent, output, model, tokens_used, steps, run: id, finish }
  await endJob({ job: id, how: 'composed', result, charges: { tokens: tokens_used } })
}

/** Ends a run at a limit: its output is what its model said last. */
export async function endAtLimit(
  run: RunRow,
  finish: 'step_limit' | 'budget',
  call: Pick<Call, 'db' | 'endJob'>,
): Promise<void> {
  const [last] = await call.db<{ output: string; model: string }[]>`
    select output, coalesce(model, '') as model from agent_steps where run_id = ${run.id} and n = ${run.turn}`
  const { output = '', model = '' } = last ?? {}
  await endRun(run, { finish, output: output.trim(), model }, call)
}

/** Ends a run that cannot go on; what it has used stays charged. */
export async function failRun(
  run: RunRow,
  { code, message }: { code: string; message: string },
  { endJob }: Pick<Call, 'endJob'>,
): Promise<void> {
  const reason = `Step ${run.steps + 1}: ${message}`
  await endJob({ job: run.id, how: 'failed', reason, code: code as FailureCode })
}
