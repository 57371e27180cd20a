/** What a concept is tied to, where it comes from, and whether it is worked out. */
import { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import { aspect, NoInput } from '../../../../shared/contract/define-node.ts'
import { MAX_RELATED, RELATIONS, relationsOf } from './relations.ts'
import { findConcept, findConcepts, type Concept } from './rows.ts'
import { JUSTICE, Lineage, lineageOf, Name } from './shapes.ts'

const CRITERIA = ['has_definition', 'has_examples', 'has_relations', 'domain_specified'] as const

export const relate = aspect({
  category: 'C',
  archetypes: 'all',
  summary: 'What it comes from, what comes from it, what it names, and what means much the same',
  effects: ['reads:concept'],
  input: z.strictObject({
    /** Only what there is between the two. */
    target: Name.optional(),
    limit: z.int().min(1).max(MAX_RELATED).default(20),
  }),
  output: z.strictObject({
    source: z.string(),
    related: z.array(
      z.strictObject({
        concept: z.string(),
        relation: z.enum(RELATIONS),
        /** Of what they mean, 0 to 1, where it decided. */
        similarity: z.number().min(0).max(1).nullable(),
      }),
    ),
  }),
  examples: [{ summary: 'What else is there?', holon: 'justice', input: {}, given: [JUSTICE] }],
  async handle({ target, limit }, { db, holon }) {
    const source = await findConcept(db, holon)
    if (target !== undefined) await findConcept(db, target)
    const related = await relationsOf(db, source, target)
    return {
      source: `concept.${holon}`,
      related: related.slice(0, limit).map((each) => ({ ...each, concept: `concept.${each.concept}` })),
    }
  },
})

export const lineage = aspect({
  category: 'I',
  archetypes: 'all',
  summary: 'Where it comes from, and what it has from there',
  effects: ['reads:concept'],
  input: NoInput,
  output: Lineage.extend({
    /** All that it comes from, nearest first. */
    ancestors: z.array(z.string()),
  }),
  examples: [{ summary: 'Where does it come from?', holon: 'justice', input: {}, given: [JUSTICE] }],
  async handle(_input, call) {
    const found = await findConcept(call.db, call.holon)
    const ancestors = await ancestorsOf(found, call)
    return { ...(await lineageOf(found, call)), ancestors: ancestors.map((each) => `concept.${each}`) }
  },
})

export const validate = aspect({
  category: 'P',
  archetypes: ['scientist', 'engineer', 'developer'],
  summary: 'Whether it is worked out: defined, with examples, relations and a domain',
  effects: ['reads:concept'],
  input: z.strictObject({
    criteria: z
      .array(z.enum(CRITERIA))
      .max(4)
      .default([...CRITERIA]),
  }),
  output: z.strictObject({
    handle: z.string(),
    criteria: z.partialRecord(z.enum(CRITERIA), z.boolean()),
    /** Whether all of them hold. */
    valid: z.boolean(),
  }),
  examples: [{ summary: 'Is it complete?', holon: 'justice', input: {}, given: [JUSTICE] }],
  async handle({ criteria }, { db, holon }) {
    const { definition, examples, related, domain, extends: parents } = await findConcept(db, holon)
    const all: Record<(typeof CRITERIA)[number], boolean> = {
      has_definition: definition.length > 0,
      has_examples: examples.length > 0,
      // To have a parent is no achievement: all have one.
      has_relations: related.length > 0 || parents.length > 1,
      domain_specified: domain !== 'general',
    }
    const requested = Object.fromEntries(criteria.map((each) => [each, all[each]]))
    return { handle: `concept.${holon}`, criteria: requested, valid: Object.values(requested).every(Boolean) }
  },
})

/** Names of all that it comes from, nearest first. */
async function ancestorsOf(of: Concept, { db }: Pick<Call, 'db'>): Promise<string[]> {
  const seen = new Set<string>()
  for (let level = of.extends; level.length > 0;) {
    const next = level.filter((each) => !seen.has(each))
    for (const each of next) seen.add(each)
    level = (await findConcepts(db, next)).flatMap((each) => each.extends)
  }
  return [...seen]
}
