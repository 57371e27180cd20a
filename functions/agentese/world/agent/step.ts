/**
 * One answer of the model in a run. It is dispatched in the name of whoever invoked the agent, with the rights that they have by
 * then; asking twice asks the model once, since the run notes the job that is under way.
 */
import { z } from 'zod'
import { beginningOf } from '../../../../shared/beginning.ts'
import { JobCall } from '../../../../shared/calls/job-call.ts'
import type { Call, Completed, Given } from '../../../../shared/contract/call.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { Failure } from '../../../../shared/failures.ts'
import type { ChatMessage, ToolSpec } from '../../../../shared/inference/messages.ts'
import { findModel } from '../../../../shared/models/catalogue.ts'
import { recallFor } from '../../self/memory/recall-for.ts'
import { messagesOf, type ShownStep } from './context.ts'
import { textFor } from './input.ts'
import {
  CHARACTERS_PER_TOKEN,
  HISTORY_ROWS,
  MAX_CALLS,
  MAX_TEXT,
  MEMORY_CHARACTERS,
  STEP_TOKENS,
} from './limits.ts'
import { addStep, CONTINUE, endAtLimit, endRun, loadRun, type RunRow } from './runs.ts'
import { TOOL_RUN } from './shapes.ts'
import { specsOf } from './tools.ts'

/** How a run stands. */
export const Stand = z.strictObject({
  run: z.uuid(),
  status: z.enum(['queued', 'running', 'completed', 'failed', 'cancelled']),
  steps: z.int().min(0),
})

/** Of what one step may need. */
const USUAL_TOKENS = 4000

type Stepping = Given<'postgres' | 'events' | 'inference' | 'jobs' | 'catalog'>

export const step = aspect({
  category: 'M',
  archetypes: 'all',
  summary: 'Go on with a run of yours; it does so by itself, unless something was lost',
  effects: ['reads:agent', 'calls:llm', 'charges:tokens'],
  cost: () => ({ tokens: USUAL_TOKENS }),
  needs: ['inference', 'jobs', 'catalog'],
  input: z.strictObject({ run: z.uuid() }),
  output: Stand,
  examples: [{ summary: 'Go on', input: { run: { $from: 'given.1.result.run' } }, given: TOOL_RUN }],
  async handle({ run: id }, call) {
    const run = await ownRun(id, call, 'lock')
    if (run.status === 'running' && run.state === 'model' && run.waiting_job === null)
      return (await askModel(run, call)) ?? standOf({ ...run, status: 'completed' })
    if (run.status === 'running') call.emit(CONTINUE, { run: id })
    return standOf(run)
  },
  complete: ({ input: { run: id }, ...answer }, call) => takeAnswer(id, answer, call),
})

/** @throws Failure NOT_FOUND for a run that is not there, or somebody else's */
export async function ownRun(
  id: string,
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  lock?: 'lock',
): Promise<RunRow> {
  const run = await loadRun(db, id, lock)
  if (run !== undefined && run.user_id === identity.user) return run
  throw new Failure('NOT_FOUND', `Cannot find run "${id}": you have no such run`, {
    suggestion: 'world.agent.runs lists yours',
  })
}

export function standOf({ id, status, steps }: RunRow): z.infer<typeof Stand> {
  return { run: id, status, steps }
}

/** Queues the next answer; undefined where a limit has ended the run. */
async function askModel(given: RunRow, call: Stepping) {
  if (given.steps >= given.max_steps) {
    await endAtLimit(given, 'step_limit', call)
    return undefined
  }
  const run = await withMemories(given, call)
  const tools = await specsOf(run.tools, call)
  const messages = await conversationOf(run, tools, call)
  const estimateTokens = estimateOf(messages, tools)
  if (run.budget_tokens !== null && run.tokens_used + estimateTokens > run.budget_tokens) {
    await endAtLimit(run, 'budget', call)
    return undefined
  }
  const accepted = call.infer({
    messages,
    maxTokens: STEP_TOKENS,
    temperature: 0.5,
    estimateTokens,
    session: run.id,
    ...(run.model === null ? {} : { model: run.model }),
    ...(tools.length === 0 ? {} : { tools }),
  })
  await call.db`update agent_runs set waiting_job = ${accepted.job}, moved_at = now() where id = ${run.id}`
  return accepted
}

/** Memories are looked for once, and are a step: all answers are based on the same ones. */
async function withMemories(run: RunRow, call: Stepping): Promise<RunRow> {
  if (!run.memory || run.position > 0) return run
  const { input } = JobCall.parse(run.call)
  const found = await recallFor(call, { text: textFor((input as { input?: unknown } | null)?.input) })
  return addStep(run, { kind: 'memory', output: JSON.stringify(found) }, { state: 'model' }, call)
}

async function conversationOf(
  run: RunRow,
  tools: readonly ToolSpec[],
  { db, identity }: Pick<Call, 'db' | 'identity'>,
): Promise<ChatMessage[]> {
  const steps = await db<ShownStep[]>`
    select n, kind, call_id, output, calls from agent_steps
    where run_id = ${run.id} and kind in ('model', 'tool') order by n desc limit ${HISTORY_ROWS}`
  const { input } = JobCall.parse(run.call)
  return messagesOf({
    instructions: run.instructions,
    input: textFor((input as { input?: unknown } | null)?.input),
    memories: run.memory ? await memoriesOf(run.id, db) : '',
    steps,
    besides: JSON.stringify(tools).length,
    contextTokens: findModel(run.model ?? undefined, identity.plan).contextTokens,
  })
}

async function memoriesOf(run: string, db: Call['db']): Promise<string> {
  const [row] = await db<{ output: string }[]>`
    select output from agent_steps where run_id = ${run} and n = 1 and kind = 'memory'`
  const found = row === undefined || row.output === '' ? [] : (JSON.parse(row.output) as { text: string }[])
  if (found.length === 0) return ''
  const list = found.map(({ text }) => `- ${text}`).join('\n')
  return beginningOf(`What I have noted before, as background:\n${list}`, MEMORY_CHARACTERS)
}

function estimateOf(messages: readonly ChatMessage[], tools: readonly ToolSpec[]): number {
  const shown = tools.length === 0 ? 0 : JSON.stringify(tools).length
  const said = messages.reduce((sum, message) => sum + JSON.stringify(message).length, 0)
  return Math.ceil((shown + said) / CHARACTERS_PER_TOKEN) + STEP_TOKENS
}

type Answer = Omit<Completed<unknown>, 'input'>

/** Writes down what the model answered, and decides what is next. */
async function takeAnswer(id: string, answer: Answer, call: Stepping): Promise<z.infer<typeof Stand>> {
  const run = await loadRun(call.db, id, 'lock')
  if (run === undefined) throw new Failure('NOT_FOUND', `Cannot find run "${id}": there is no such run`)
  // The tokens are charged to the job of this step in any case.
  if (run.status !== 'running' || run.state !== 'model' || run.waiting_job === null) return standOf(run)
  const { text, tokens, model, toolCalls, finishReason = 'stop' } = answer
  const output = beginningOf(text, MAX_TEXT)
  const calls = toolCalls.slice(0, MAX_CALLS).map((each) => ({
    ...each,
    arguments: beginningOf(each.arguments.replaceAll('\0', ''), MAX_KEPT_ARGUMENTS),
  }))
  const used = tokens.prompt + tokens.completion
  const next = { state: calls.length === 0 ? 'model' : 'tools', turn: run.position + 1, nextCall: 0 } as const
  const answered = { kind: 'model', model, output, calls, tokens: used, job: run.waiting_job } as const
  const moved = await addStep(run, answered, next, call)
  const limit = limitOf(moved)
  if (calls.length === 0) await endRun(moved, { finish: finishReason, output: output.trim(), model }, call)
  else if (limit === undefined) call.emit(CONTINUE, { run: id })
  // Nobody would read what its tools answer.
  else await endRun(moved, { finish: limit, output: output.trim(), model }, call)
  return {
    run: id,
    status: calls.length === 0 || limit !== undefined ? 'completed' : 'running',
    steps: moved.steps,
  }
}

function limitOf({ steps, max_steps, tokens_used, budget_tokens }: RunRow) {
  if (steps >= max_steps) return 'step_limit'
  return budget_tokens !== null && tokens_used >= budget_tokens ? 'budget' : undefined
}

/** One character more than a call may have: it is refused, and not called with arguments that were cut. */
const MAX_KEPT_ARGUMENTS = 8001
