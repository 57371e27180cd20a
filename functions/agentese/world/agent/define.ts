/** Making agents, and retiring them. */
import { z } from 'zod'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { Failure } from '../../../../shared/failures.ts'
import { findModel } from '../../../../shared/models/catalogue.ts'
import { newId } from '../../../../shared/new-id.ts'
import { leavePlace, takePlace } from '../../../../shared/plans/holdings.ts'
import { identifierOf } from '../../../../shared/text/identifier.ts'
import { MAX_BUDGET, MAX_INSTRUCTIONS, MAX_STEPS, MAX_TOOLS } from './limits.ts'
import { activeAgent, Agent, isRetired, SAGE, viewOf, Which, type AgentRow } from './rows.ts'
import { checkTools, ToolName } from './tools.ts'

const Handle = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be a lower-case letter followed by a-z, 0-9 or _')
/** Thirty days. */
const MAX_APPROVAL_SECONDS = 2_592_000

const Tools = z.array(ToolName).max(MAX_TOOLS)

const Definition = z
  .strictObject({
    name: z.string().trim().min(1).max(100),
    /** How it is called; made of the name where it is absent. */
    handle: Handle.optional(),
    theme: z.string().trim().max(200).default(''),
    instructions: z.string().trim().min(1).max(MAX_INSTRUCTIONS),
    /** Tools of world.tool by name, and AGENTESE paths, that it may call in the name of whoever invokes it. */
    tools: Tools.default([]),
    /** Of GET /v1/models; default: the default model. */
    model: z.string().min(1).max(100).optional(),
    /** Default limits of a run. */
    max_steps: z.int().min(1).max(MAX_STEPS).optional(),
    budget_tokens: z.int().min(1).max(MAX_BUDGET).optional(),
    /** Whether it is shown what the memory of whoever invokes it has on what is asked. */
    memory: z.boolean().default(false),
    /** Tools whose calls wait until a person approves them. */
    approval: z.union([z.enum(['none', 'all']), Tools]).default('none'),
    /** After which a call that nobody has decided about is not made; default: it waits without limit. */
    approval_seconds: z.int().min(1).max(MAX_APPROVAL_SECONDS).optional(),
  })
  .refine(({ tools }) => new Set(tools).size === tools.length, {
    path: ['tools'],
    message: 'names one of them twice',
  })
  .refine(
    ({ approval, tools }) => typeof approval === 'string' || approval.every((each) => tools.includes(each)),
    { path: ['approval'], message: 'names a tool that the agent does not have' },
  )

export const define = aspect({
  category: 'G',
  archetypes: ['architect', 'developer', 'admin'],
  summary: 'Make an agent',
  effects: ['writes:agent'],
  needs: ['catalog'],
  input: Definition,
  output: Agent,
  examples: [
    { summary: 'An agent that advises', input: SAGE.input },
    {
      summary: 'An agent that may draw entropy, once a person has approved it',
      input: { ...SAGE.input, name: 'Dicer', tools: ['void.entropy.sip'], approval: 'all', max_steps: 10 },
    },
  ],
  async handle({ handle: given, model = null, ...agent }, call) {
    const { db, identity } = call
    const handle = given ?? handleOf(agent.name)
    if (model !== null) findModel(model, identity.plan)
    await checkTools(agent.tools, call)
    const { max_steps = null, budget_tokens = null, approval_seconds = null } = agent
    const [made] = await db<AgentRow[]>`
      insert into agents (id, tenant_id, handle, name, theme, instructions, created_by, tools, model, max_steps,
        budget_tokens, memory, approval, approval_seconds)
      values (${newId()}, ${identity.tenant}, ${handle}, ${agent.name}, ${agent.theme}, ${agent.instructions},
        ${identity.user}, ${db.json(agent.tools)}, ${model}, ${max_steps}, ${budget_tokens}, ${agent.memory},
        ${db.json(agent.approval)}, ${approval_seconds})
      on conflict (tenant_id, handle) where status = 'active' do nothing returning *`
    if (made === undefined) {
      throw new Failure('STATE_CONFLICT', `Cannot define agent "${handle}": there is one of that handle`, {
        suggestion: 'Give another handle, or retire that agent first',
      })
    }
    await takePlace(db, identity, 'agent')
    return viewOf(made)
  },
})

export const retire = aspect({
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
})

/** @throws Failure TYPE_MISMATCH where no handle can be made of a name */
function handleOf(name: string): string {
  const handle = identifierOf(name).replace(/_+$/, '')
  if (handle !== '') return handle
  throw new Failure('TYPE_MISMATCH', 'Cannot make a handle of that name: it has no letters from a to z', {
    suggestion: 'Give a handle besides the name',
  })
}
