/** What runs there are and what they did, and how to end one. A run is its person's own, as its job is. */
import { z } from 'zod'
import { beginningOf } from '../../../../shared/beginning.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { NextCursor, orderBy } from '../../../../shared/contract/pages.ts'
import { NEWEST_FIRST, Page, Which } from './rows.ts'
import { FINISHES, type RunRow } from './runs.ts'
import { TOOL_RUN } from './shapes.ts'
import { ownRun, Stand, standOf } from './step.ts'

const JOB_STATUSES = ['queued', 'running', 'completed', 'failed', 'cancelled'] as const
/** Characters of what a step was given and came to. */
const SHOWN = 1000

const Run = z.strictObject({
  /** Also the id of its job. */
  run: z.uuid(),
  agent: z.string(),
  status: z.enum(JOB_STATUSES),
  /** What is next while it runs: an answer of the model, a tool, or a person's decision. */
  waits_for: z.enum(['model', 'tools', 'human']).nullable(),
  /** The question that a person has to answer. */
  semaphore: z.string().nullable(),
  steps: z.int(),
  max_steps: z.int(),
  tokens_used: z.int(),
  budget_tokens: z.int().nullable(),
  finish: z.enum(FINISHES).nullable(),
  created_at: z.string(),
})

interface ListedRow extends Pick<
  RunRow,
  | 'id'
  | 'handle'
  | 'status'
  | 'state'
  | 'semaphore_id'
  | 'steps'
  | 'max_steps'
  | 'tokens_used'
  | 'budget_tokens'
> {
  finish: (typeof FINISHES)[number] | null
  created_at: Date
}

export const runs = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'Your runs of agents, newest first',
  effects: ['reads:agent'],
  input: z.strictObject({ agent: Which.optional(), status: z.enum(JOB_STATUSES).optional(), ...Page }),
  output: z.strictObject({ runs: z.array(Run), next_cursor: NextCursor }),
  examples: [{ summary: 'What is under way?', input: { status: 'running' }, given: TOOL_RUN }],
  async handle({ agent = null, status = null, ...bounds }, { db, identity }) {
    const rows = db<ListedRow[]>`
      select r.id, a.handle, j.status, r.state, r.semaphore_id, r.steps, r.max_steps, r.finish, r.created_at,
        r.tokens_used::float8 as tokens_used, r.budget_tokens::float8 as budget_tokens
      from agent_runs r join jobs j on j.id = r.id join agents a on a.id = r.agent_id
      where r.user_id = ${identity.user} and (${status}::text is null or j.status = ${status})
        and (${agent}::text is null or a.handle = ${agent} or a.id::text = ${agent} or name_key(a.name) = name_key(${agent}))`
    const { page, next_cursor } = await NEWEST_FIRST.readPage(db, rows, bounds)
    return { runs: page.map(runOf), next_cursor }
  },
})

function runOf({
  id,
  handle,
  status,
  state,
  semaphore_id,
  created_at,
  ...row
}: ListedRow): z.infer<typeof Run> {
  const isOpen = status === 'running'
  return {
    ...row,
    run: id,
    agent: handle,
    status,
    waits_for: isOpen ? state : null,
    semaphore: isOpen && state === 'human' ? semaphore_id : null,
    created_at: created_at.toISOString(),
  }
}

const Step = z.strictObject({
  step: z.int(),
  kind: z.enum(['memory', 'model', 'tool', 'human']),
  tool: z.string().nullable(),
  /** Shortened. */
  input: z.string(),
  output: z.string(),
  /** Tools that the model wanted. */
  calls: z.array(z.string()),
  failed: z.boolean(),
  model: z.string().nullable(),
  tokens: z.int(),
  /** The job that it was, which may be followed by itself. */
  job: z.uuid().nullable(),
  duration_ms: z.int(),
  created_at: z.string(),
})

interface StepRow extends Omit<z.infer<typeof Step>, 'step' | 'calls' | 'created_at'> {
  n: number
  calls: { name: string }[]
  created_at: Date
}

const IN_ORDER = orderBy({ n: 'numeric' }, 'asc')

export const steps = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'What a run of yours has done so far, in its order',
  effects: ['reads:agent'],
  input: z.strictObject({
    run: z.uuid(),
    limit: z.int().min(1).max(100).default(50),
    cursor: IN_ORDER.Cursor.optional(),
  }),
  output: z.strictObject({ run: z.uuid(), steps: z.array(Step), next_cursor: NextCursor }),
  examples: [{ summary: 'From the first', input: { run: { $from: 'given.1.result.run' } }, given: TOOL_RUN }],
  async handle({ run, ...bounds }, call) {
    await ownRun(run, call)
    const rows = call.db<StepRow[]>`
      select n, kind, tool, left(input, ${SHOWN + 2}) as input, left(output, ${SHOWN + 2}) as output, calls, failed, model,
        tokens, job, duration_ms, created_at
      from agent_steps where run_id = ${run}`
    const { page, next_cursor } = await IN_ORDER.readPage(call.db, rows, bounds)
    return { run, steps: page.map(stepOf), next_cursor }
  },
})

function stepOf({ n, input, output, calls, created_at, ...row }: StepRow): z.infer<typeof Step> {
  return {
    ...row,
    step: n,
    input: beginningOf(input, SHOWN),
    output: beginningOf(output, SHOWN),
    calls: calls.map(({ name }) => name),
    created_at: created_at.toISOString(),
  }
}

export const cancel = aspect({
  category: 'M',
  archetypes: 'all',
  summary: 'End a run of yours, unless it has ended; what it has used stays charged',
  effects: ['reads:agent'],
  needs: ['jobs'],
  input: z.strictObject({ run: z.uuid() }),
  output: Stand,
  examples: [{ summary: 'Enough', input: { run: { $from: 'given.1.result.run' } }, given: TOOL_RUN }],
  async handle({ run: id }, call) {
    const run = await ownRun(id, call, 'lock')
    const status = await call.endJob({ job: id, how: 'cancelled' })
    return standOf({ ...run, status: status ?? run.status })
  },
})
