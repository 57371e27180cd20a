/** The rows of agents, and what callers see of them. */
import { z } from 'zod'
import { NextCursor, orderBy, type Bounds } from '../../../../shared/contract/pages.ts'
import type { Db } from '../../../../shared/database/database.ts'
import { Failure } from '../../../../shared/failures.ts'
import { identifierOf } from '../../../../shared/text/identifier.ts'

export const STATUSES = ['active', 'retired'] as const

/** Which tools wait for a person. */
export type Approval = 'none' | 'all' | string[]

/** What of an agent callers see: all but its instructions. */
export const Agent = z.strictObject({
  id: z.uuid(),
  handle: z.string(),
  name: z.string(),
  theme: z.string(),
  status: z.enum(STATUSES),
  tools: z.array(z.string()),
  model: z.string().nullable(),
  max_steps: z.int().nullable(),
  budget_tokens: z.int().nullable(),
  memory: z.boolean(),
  approval: z.union([z.enum(['none', 'all']), z.array(z.string())]),
  approval_seconds: z.int().nullable(),
  created_at: z.string(),
})
export const Agents = z.strictObject({ agents: z.array(Agent), next_cursor: NextCursor })

/** By handle or name, an active one, whatever their case and composition are; by id, any. */
export const Which = z.string().trim().min(1).max(100)
export const NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')
export const Page = { limit: z.int().min(1).max(100).default(50), cursor: NEWEST_FIRST.Cursor.optional() }

export interface AgentRow extends Omit<z.infer<typeof Agent>, 'created_at'> {
  instructions: string
  created_at: Date
}

export const SAGE = {
  path: 'world.agent.define',
  input: { name: 'Sage', theme: 'calm advice', instructions: 'You give short, calm advice.' },
}

/** @throws Failure NOT_FOUND, or STATE_CONFLICT where it has retired or where several have that name */
export async function activeAgent(db: Db, which: string): Promise<AgentRow> {
  const isId = z.uuid().safeParse(which).success
  const [agent] = await (isId
    ? db<AgentRow[]>`select * from agents where id = ${which}`
    : db<AgentRow[]>`select * from agents where handle = ${identifierOf(which)} and status = 'active'`)
  if (agent?.status === 'active') return agent
  if (agent !== undefined) throw isRetired(which)
  const named = await db<AgentRow[]>`
    select * from agents where name_key(name) = name_key(${which}) and status = 'active' order by id limit 5`
  const [only] = named
  if (only !== undefined && named.length === 1) return only
  if (only !== undefined) throw isAmbiguous(which, named)
  throw new Failure('NOT_FOUND', `Cannot find agent "${which}": there is no such agent`, {
    suggestion: 'world.agent.list names them',
  })
}

function isAmbiguous(which: string, named: readonly AgentRow[]): Failure {
  return new Failure('STATE_CONFLICT', `Cannot use agent "${which}": several have that name`, {
    suggestion: 'Give the handle of one of them',
    available: named.map(({ handle }) => handle),
  })
}

export function isRetired(which: string): Failure {
  return new Failure('STATE_CONFLICT', `Cannot use agent "${which}": it has retired`, {
    suggestion: 'world.agent.list with {"status": "active"} names those that can be used',
  })
}

export async function listAgents(
  query: PromiseLike<readonly AgentRow[]>,
  bounds: Bounds,
  db: Db,
): Promise<z.infer<typeof Agents>> {
  const { page, next_cursor } = await NEWEST_FIRST.readPage(db, query, bounds)
  return { agents: page.map(viewOf), next_cursor }
}

export function viewOf(row: AgentRow): z.infer<typeof Agent> {
  const { id, handle, name, theme, status, tools, model, memory, approval, approval_seconds } = row
  const { max_steps, budget_tokens, created_at } = row
  return {
    id,
    handle,
    name,
    theme,
    status,
    tools,
    model,
    max_steps,
    budget_tokens,
    memory,
    approval,
    approval_seconds,
    created_at: created_at.toISOString(),
  }
}
