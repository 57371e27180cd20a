/** Making a concept. */
import { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { Failure } from '../../../../shared/failures.ts'
import { keepIndexing } from '../../../../shared/recall/indexing.ts'
import { checkNotItsOwn, deriveLineage, findRoot } from './lineage.ts'
import {
  CONCEPTS,
  findConcept,
  findConcepts,
  insertConcept,
  MAX_CONCEPTS,
  putConceptEntry,
  type Concept,
} from './rows.ts'
import { ConceptView, JUSTICE, MAX_DEFINITION, Name, Names, Text, viewOf } from './shapes.ts'

export const define = aspect({
  category: 'G',
  archetypes: 'all',
  summary: 'Define the concept that the path names; with a name, define that as a kind of it',
  effects: ['writes:concept', 'calls:embedder', 'charges:tokens'],
  cost: () => ({ tokens: 50 }),
  needs: ['catalog', 'inference'],
  input: z.strictObject({
    name: Name.optional(),
    definition: Text.max(MAX_DEFINITION),
    /** Its parents; all of them are there already. */
    extends: Names.max(16).default([]),
    /** Why it is needed. */
    justification: z.string().trim().max(1000).default(''),
    domain: Text.max(64).default('general'),
    examples: z.array(Text.max(500)).max(16).default([]),
    related: Names.default([]),
    /** What it affords, and what it has to satisfy, besides what its parents do. */
    affordances: Names.default([]),
    constraints: Names.default([]),
  }),
  output: ConceptView,
  examples: [
    { summary: 'Justice', holon: 'justice', input: JUSTICE.input },
    {
      summary: 'A kind of it',
      holon: 'justice',
      input: { name: 'mercy', definition: 'Less than what is due, out of kindness' },
      given: [JUSTICE],
    },
  ],
  async handle({ name: kind, ...input }, call) {
    const name = kind ?? call.holon
    checkName(name, call)
    const path = kind === undefined ? [] : [call.holon]
    const parents = await parentsOf(name, [...path, ...input.extends], call)
    const { affordances, constraints, ...lineage } = deriveLineage(name, parents, input)
    await checkRoom(call)
    const related = [...new Set(input.related)].filter((each) => each !== name)
    const made = {
      ...input,
      name,
      related,
      extends: [...lineage.extends],
      depth: lineage.depth,
      affordances: [...affordances],
      constraints: [...constraints],
    }
    await insertConcept(call, made)
    await putConceptEntry(call, made)
    await keepIndexing(call, CONCEPTS)
    const view = await viewOf(await findConcept(call.db, name), call)
    call.changed(view.handle, view)
    return view
  },
})

/** @throws Failure STATE_CONFLICT where the name is taken by the platform */
function checkName(name: string, { hasNode }: Pick<Call, 'hasNode'>): void {
  const taken = findRoot(name) !== undefined || hasNode('concept', name)
  if (!taken) return
  throw new Failure('STATE_CONFLICT', `Cannot define "concept.${name}": the platform has one of that name`, {
    suggestion: 'Choose another name',
  })
}

/** @throws Failure PRECONDITION_FAILED that names the parents that are not there; LAW_VIOLATION where it is its own */
async function parentsOf(
  name: string,
  names: readonly string[],
  { db }: Pick<Call, 'db'>,
): Promise<Concept[]> {
  checkNotItsOwn(name, names)
  const parents = await findConcepts(db, [...new Set(names)])
  const missing = names.filter((each) => !parents.some((parent) => parent.name === each))
  if (missing.length === 0) return parents
  throw new Failure(
    'PRECONDITION_FAILED',
    `Cannot define "concept.${name}": there is no concept "${missing.join('", "')}"`,
    { suggestion: 'Define its parents first', details: { missing } },
  )
}

/** @throws Failure QUOTA_EXCEEDED where the tenant has all that it can have */
async function checkRoom({ db }: Pick<Call, 'db'>): Promise<void> {
  const [row] = await db<{ count: number }[]>`select count(*)::int as count from concepts`
  if ((row?.count ?? 0) < MAX_CONCEPTS) return
  throw new Failure('QUOTA_EXCEEDED', `Cannot define one more concept: there are ${MAX_CONCEPTS}`, {
    suggestion: 'Refine what is there',
    details: { resource: 'concepts', limit: MAX_CONCEPTS },
  })
}
