/** How a concept shows itself to each archetype. */
import { z } from 'zod'
import { ArchetypePayload } from '../../../../shared/agentese/manifest/payloads.ts'
import { renderManifest } from '../../../../shared/agentese/manifest/render.ts'
import { aspect, NoInput } from '../../../../shared/contract/define-node.ts'
import { findConcept, type Concept } from './rows.ts'
import { JUSTICE } from './shapes.ts'

/** The engineer's view of a concept: something to be built. */
const Engineering = z.strictObject({ type: z.literal('engineering'), text: z.string() })

export const manifest = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'The concept, in the view of your archetype',
  effects: ['reads:concept'],
  input: NoInput,
  output: z.union([ArchetypePayload, Engineering]).meta({ type: 'object' }),
  examples: [
    { summary: 'Something that everybody has', holon: 'entity', input: {} },
    { summary: 'Something of your own', holon: 'justice', input: {}, given: [JUSTICE] },
  ],
  async handle(_input, { db, holon, observer }) {
    const found = await findConcept(db, holon)
    return observer.archetype === 'engineer'
      ? { type: 'engineering' as const, text: specificationOf(found) }
      : renderManifest(sourceOf(found), observer.archetype)
  },
})

function sourceOf(of: Concept) {
  const { name, definition, domain, examples, affordances, constraints, depth, version } = of
  return {
    handle: `concept.${name}`,
    name,
    kind: domain,
    description: definition,
    state: { examples, constraints, affordances, depth, observations: examples },
    metadata: { domain, extends: of.extends, depth, version },
    related: [...new Set([...of.extends, ...of.related])],
    changes: Math.max(0, version - 1),
    updated: of.updated_at?.toISOString() ?? null,
    status: statusOf(of),
  }
}

function statusOf({ version }: Concept): string {
  if (version === 0) return 'built in'
  return version === 1 ? 'defined' : 'refined'
}

/** What somebody who builds it has to know. */
function specificationOf({
  name,
  definition,
  extends: parents,
  constraints,
  affordances,
  examples,
}: Concept): string {
  const list = (title: string, items: readonly string[]) =>
    items.length === 0 ? [] : [`${title}:`, ...items.map((item) => `- ${item}`)]
  return [
    `${name}: ${definition}`,
    ...list('Extends', parents),
    ...list('Must satisfy', constraints),
    ...list('Offers', affordances),
    ...list('Accepted when it covers', examples),
  ].join('\n')
}
