/** What agents there are. */
import { z } from 'zod'
import { Basic } from '../../../../shared/agentese/manifest/payloads.ts'
import { aspect, NoInput } from '../../../../shared/contract/define-node.ts'
import { Agents, listAgents, Page, STATUSES, type AgentRow } from './rows.ts'

export const manifest = aspect({
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
})

export const list = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'Agents, newest first',
  effects: ['reads:agent'],
  input: z.strictObject({ status: z.enum(STATUSES).optional(), ...Page }),
  output: Agents,
  examples: [{ summary: 'Those that can be invoked', input: { status: 'active' } }],
  handle: ({ status = null, ...bounds }, { db }) =>
    listAgents(
      db<AgentRow[]>`select * from agents where ${status}::text is null or status = ${status}`,
      bounds,
      db,
    ),
})

export const search = aspect({
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
})
