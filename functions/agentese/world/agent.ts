/**
 * `world.agent`: agents that a tenant has given instructions to. An agent has no state of its own: each invocation shows a
 * model its instructions and what is asked of it. Instructions never change; who wants others defines another agent.
 */
import { z } from 'zod'
import { Basic } from '../../../shared/agentese/manifest/payloads.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { NextCursor, orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import type { Db } from '../../../shared/database/database.ts'
import { Failure } from '../../../shared/failures.ts'
import { leavePlace, takePlace } from '../../../shared/plans/holdings.ts'
import { newId } from '../../../shared/new-id.ts'
import { identifierOf } from '../../../shared/text/identifier.ts'

/** Longest answer, in tokens. */
const ANSWER_TOKENS = 500
/** Characters of a token, cautiously; what is set aside is settled by what was really used. */
const CHARACTERS_PER_TOKEN = 3
const MAX_INSTRUCTIONS = 8000
const MAX_INPUT = 8000

const Handle = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be a lower-case letter followed by a-z, 0-9 or _')
const Status = z.enum(['active', 'retired'])
const Agent = z.strictObject({
  id: z.uuid(),
  handle: z.string(),
  name: z.string(),
  theme: z.string(),
  status: Status,
  created_at: z.string(),
})
const Agents = z.strictObject({ agents: z.array(Agent), next_cursor: NextCursor })
/** By handle or name, an active one, whatever their case and composition are; by id, any. */
const Which = z.string().trim().min(1).max(100)
const NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')
const Page = { limit: z.int().min(1).max(100).default(50), cursor: NEWEST_FIRST.Cursor.optional() }

interface AgentRow {
  id: string
  handle: string
  name: string
  theme: string
  instructions: string
  status: z.infer<typeof Status>
  created_at: Date
}

const SAGE = {
  path: 'world.agent.define',
  input: { name: 'Sage', theme: 'calm advice', instructions: 'You give short, calm advice.' },
}

export const worldAgent = defineNode('world.agent', {
  summary: 'Agents that you have given instructions to',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'How many agents there are, and how many the plan allows',
      effects: ['reads:agent'],
      input: NoInput,
      output: Basic,
      examples: [{ summary: 'Look at the agents', input: {} }],
      async handle(_input, { db, identity }) {
        const [counts] = await db<{ active: number; retired: number }[]>`
          select count(*) filter (where status = 'active')::integer as active,
                 count(*) filter (where status = 'retired')::integer as retired from agents`
        const { active, retired } = counts ?? { active: 0, retired: 0 }
        const limit = identity.plan.limits.agents
        return {
          type: 'basic' as const,
          summary: 'world.agent: agents',
          content: `${active} of ${limit ?? 'any number of'} agents are active.`,
          metadata: { active, retired, limit, tier: identity.tier },
        }
      },
    }),

    define: aspect({
      category: 'G',
      archetypes: ['architect', 'developer', 'admin'],
      summary: 'Make an agent',
      effects: ['writes:agent'],
      input: z.strictObject({
        name: z.string().trim().min(1).max(100),
        /** How it is called; made of the name where it is absent. */
        handle: Handle.optional(),
        theme: z.string().trim().max(200).default(''),
        instructions: z.string().trim().min(1).max(MAX_INSTRUCTIONS),
      }),
      output: Agent,
      examples: [{ summary: 'An agent that advises', input: SAGE.input }],
      async handle({ handle: given, ...agent }, call) {
        const { db, identity } = call
        const handle = given ?? handleOf(agent.name)
        const [made] = await db<AgentRow[]>`
          insert into agents (id, tenant_id, handle, name, theme, instructions, created_by)
          values (${newId()}, ${identity.tenant}, ${handle}, ${agent.name}, ${agent.theme}, ${agent.instructions},
                  ${identity.user})
          on conflict (tenant_id, handle) where status = 'active' do nothing returning *`
        if (made === undefined) {
          throw new Failure(
            'STATE_CONFLICT',
            `Cannot define agent "${handle}": there is one of that handle`,
            {
              suggestion: 'Give another handle, or retire that agent first',
            },
          )
        }
        await takePlace(db, identity, 'agent')
        return viewOf(made)
      },
    }),

    list: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Agents, newest first',
      effects: ['reads:agent'],
      input: z.strictObject({ status: Status.optional(), ...Page }),
      output: Agents,
      examples: [{ summary: 'Those that can be invoked', input: { status: 'active' } }],
      handle: ({ status = null, ...bounds }, { db }) =>
        listAgents(
          db<AgentRow[]>`select * from agents where ${status}::text is null or status = ${status}`,
          bounds,
          db,
        ),
    }),

    search: aspect({
      category: 'P',
      archetypes: ['developer', 'admin', 'architect'],
      summary: 'Active agents whose handle, name or theme contains the words',
      effects: ['reads:agent'],
      input: z.strictObject({ query: z.string().trim().min(1).max(100), ...Page }),
      output: Agents,
      examples: [{ summary: 'Who advises?', input: { query: 'advice' } }],
      handle: ({ query, ...bounds }, { db }) => {
        const words = query.split(/\s+/)
        return listAgents(
          db<AgentRow[]>`
            select * from agents
            where status = 'active' and not exists (
              select from jsonb_array_elements_text(${db.json(words)}) as word
              where strpos(name_key(handle || ' ' || name || ' ' || theme), name_key(word)) = 0)`,
          bounds,
          db,
        )
      },
    }),

    invoke: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Have an agent do something',
      effects: ['reads:agent', 'calls:llm', 'charges:tokens'],
      cost: ({ input }) => ({ tokens: estimateOf(textFor(input)) }),
      needs: ['inference'],
      input: z.strictObject({
        agent: Which,
        /** What is asked of it: words, or the result of the stage before. */
        input: z
          .unknown()
          .refine((input) => input !== undefined && textFor(input).trim() !== '', 'input is required')
          .refine((input) => textFor(input).length <= MAX_INPUT, `is longer than ${MAX_INPUT} characters`),
      }),
      output: z.strictObject({
        agent: z.string(),
        output: z.string(),
        model: z.string(),
        tokens_used: z.int().min(0),
      }),
      examples: [
        { summary: 'Ask for advice', input: { agent: 'sage', input: 'How do I start?' }, given: [SAGE] },
      ],
      async handle({ agent, input }, call) {
        const { instructions } = await activeAgent(call.db, agent)
        const message = textFor(input)
        return call.infer({
          messages: [
            { role: 'system', content: instructions },
            { role: 'user', content: message },
          ],
          maxTokens: ANSWER_TOKENS,
          temperature: 0.5,
          estimateTokens: estimateOf(`${instructions}${message}`),
        })
      },
      complete: ({ input: { agent }, text, model, tokens }) => ({
        agent,
        output: text.trim(),
        model,
        tokens_used: tokens.prompt + tokens.completion,
      }),
    }),

    retire: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Send an agent away; its place and its handle are free again',
      effects: ['writes:agent'],
      input: z.strictObject({ agent: Which }),
      output: Agent,
      examples: [{ summary: 'No more advice', input: { agent: 'sage' }, given: [SAGE] }],
      async handle({ agent }, { db }) {
        const { id } = await activeAgent(db, agent)
        const [retired] = await db<AgentRow[]>`
          update agents set status = 'retired', retired_at = now() where id = ${id} and status = 'active' returning *`
        if (retired === undefined) throw isRetired(agent)
        await leavePlace(db, 'agent')
        return viewOf(retired)
      },
    }),
  },
})

/** @throws Failure NOT_FOUND, or STATE_CONFLICT where it has retired or where several have that name */
async function activeAgent(db: Db, which: string): Promise<AgentRow> {
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

function isRetired(which: string): Failure {
  return new Failure('STATE_CONFLICT', `Cannot use agent "${which}": it has retired`, {
    suggestion: 'world.agent.list with {"status": "active"} names those that can be used',
  })
}

/** @throws Failure TYPE_MISMATCH where no handle can be made of a name */
function handleOf(name: string): string {
  const handle = identifierOf(name).replace(/_+$/, '')
  if (handle !== '') return handle
  throw new Failure('TYPE_MISMATCH', 'Cannot make a handle of that name: it has no letters from a to z', {
    suggestion: 'Give a handle besides the name',
  })
}

async function listAgents(
  query: PromiseLike<readonly AgentRow[]>,
  bounds: Bounds,
  db: Db,
): Promise<z.infer<typeof Agents>> {
  const { page, next_cursor } = await NEWEST_FIRST.readPage(db, query, bounds)
  return {
    agents: page.map(viewOf),
    next_cursor,
  }
}

function viewOf({ id, handle, name, theme, status, created_at }: AgentRow): z.infer<typeof Agent> {
  return { id, handle, name, theme, status, created_at: created_at.toISOString() }
}

function textFor(input: unknown): string {
  return typeof input === 'string' ? input : (JSON.stringify(input) ?? '')
}

function estimateOf(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN) + ANSWER_TOKENS
}
