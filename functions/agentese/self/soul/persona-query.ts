/**
 * `self.soul.persona`: what K-gent knows about a person. The person reads all of it; for an agent there are preferences,
 * patterns and the current focus; nobody else can name another person's.
 */
import { z } from 'zod'
import { TALKERS } from '../../../../shared/agentese/archetypes.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { Failure } from '../../../../shared/failures.ts'
import { AXES, traitOf } from './persona.ts'
import { Project, readPersona, type Persona } from './persona-rows.ts'
import { readCommitted, TraitView, viewOf } from './trait-rows.ts'
import { confidenceAt, matching, type Trait } from './traits.ts'

const Context = z.strictObject({
  current_focus: z.string().nullable(),
  name: z.string().nullable().optional(),
  roles: z.array(z.string()).optional(),
  recent_interests: z.array(z.string()).optional(),
  active_projects: z.array(Project).optional(),
})

export const persona = aspect({
  category: 'P',
  archetypes: TALKERS,
  summary: 'What your K-gent knows about you: preferences, patterns and what occupies you',
  effects: ['reads:soul_state'],
  input: z.strictObject({
    aspect: z.enum(['preference', 'pattern', 'context', 'all']).default('all'),
    /** Only what matters for it, best first. */
    topic: z.string().trim().min(1).max(1000).optional(),
    /** The handle of an agent of yours: then only what agents may read. */
    for_agent: z.string().min(1).max(64).optional(),
    limit: z.int().min(1).max(500).default(50),
  }),
  output: z.strictObject({
    preferences: z.array(TraitView),
    patterns: z.array(TraitView),
    context: Context.nullable(),
    /** How to talk to the person, in words. */
    suggested_style: z.array(z.string()),
    /** The mean of what is shown, 0 to 1; 0 where nothing is. */
    confidence: z.number().min(0).max(1),
  }),
  examples: [
    {
      summary: 'What matters for a topic',
      input: { topic: 'how long should the answer be' },
      given: [
        {
          path: 'self.soul.update',
          input: {
            aspect: 'preference',
            operation: 'add',
            content: { path: 'communication.length', value: 'short' },
          },
        },
      ],
    },
  ],
  async handle({ aspect: about, topic, for_agent, limit }, call) {
    if (for_agent !== undefined) await findAgent(for_agent, call)
    const at = new Date()
    const [known, traits] = await Promise.all([readPersona(call), readCommitted(call)])
    const shown = (wanted: Trait['aspect']) =>
      about === wanted || about === 'all'
        ? matching(
            traits.filter((trait) => trait.aspect === wanted),
            topic,
            at,
            limit,
          )
        : []
    const [preferences, patterns] = [shown('preference'), shown('pattern')]
    return {
      preferences: preferences.map((trait) => viewOf(trait, at)),
      patterns: patterns.map((trait) => viewOf(trait, at)),
      context: about === 'context' || about === 'all' ? contextOf(known, for_agent !== undefined) : null,
      suggested_style: styleOf(known, preferences),
      confidence: meanOf([...preferences, ...patterns].map((trait) => confidenceAt(trait, at))),
    }
  },
})

/** @throws Failure NOT_FOUND where the tenant has no such agent */
async function findAgent(handle: string, { db }: Pick<Call, 'db'>): Promise<void> {
  const [agent] = await db`select from agents where handle = ${handle} and status = 'active'`
  if (agent !== undefined) return
  throw new Failure('NOT_FOUND', `Cannot read the persona for agent "${handle}": there is no such agent`, {
    suggestion: 'world.agent.list shows the agents of your tenant',
  })
}

function contextOf(known: Persona, forAgent: boolean): z.infer<typeof Context> {
  const { current_focus, name, roles, recent_interests, active_projects } = known
  return forAgent ? { current_focus } : { current_focus, name, roles, recent_interests, active_projects }
}

function styleOf({ vectors }: Persona, preferences: readonly Trait[]): string[] {
  const manners = preferences.filter(({ path }) => path.startsWith('communication.'))
  return [
    ...AXES.map((axis) => traitOf(axis, vectors[axis])).filter((trait) => trait !== ''),
    ...manners.map(({ path, content }) => `${path.slice('communication.'.length)}: ${content}`),
  ]
}

function meanOf(values: readonly number[]): number {
  if (values.length === 0) return 0
  return Math.round((values.reduce((sum, each) => sum + each, 0) / values.length) * 1000) / 1000
}
