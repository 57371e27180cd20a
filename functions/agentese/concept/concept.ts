/**
 * `concept.*`: what a tenant's words mean. Each concept extends others, up to the roots that everybody has, and is found
 * by what it means. `concept.justice.define` defines `concept.justice`; with a name it defines that as a kind of it.
 */
import { z } from 'zod'
import { ArchetypePayload } from '../../../shared/agentese/manifest/payloads.ts'
import { renderManifest } from '../../../shared/agentese/manifest/render.ts'
import type { Call } from '../../../shared/contract/call.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { Failure } from '../../../shared/failures.ts'
import { indexAspect, keepIndexing } from '../../../shared/recall/indexing.ts'
import { checkNotItsOwn, deriveLineage, findRoot, ROOT_NAMES } from './concept/lineage.ts'
import { MOST_RELATED, RELATIONS, relationsOf } from './concept/relations.ts'
import {
  childrenOf,
  CONCEPTS,
  findConcept,
  findConcepts,
  insertConcept,
  MOST_CONCEPTS,
  putConceptEntry,
  type Concept,
} from './concept/rows.ts'
import { wordsAbout } from '../earlier-result.ts'

const LONGEST_DEFINITION = 2000
/** Longest refined definition, in tokens; and what is set aside for it with its question. */
const REFINED_TOKENS = 200
const REFINE_TOKENS = 600
const REFINE_TEMPERATURE = 0.4

const Name = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be a lower-case letter followed by a-z, 0-9 or _')
const Names = z.array(Name).max(32)
const Text = z.string().trim().min(1)

const Lineage = z.strictObject({
  handle: z.string(),
  extends: z.array(z.string()),
  /** What extends it; the first hundred, by name. */
  subsumes: z.array(z.string()),
  justification: z.string(),
  affordances: z.array(z.string()),
  constraints: z.array(z.string()),
  domain: z.string(),
  depth: z.int().min(0),
  created_by: z.uuid().nullable(),
  created_at: z.string().nullable(),
})

const ConceptView = z.strictObject({
  handle: z.string(),
  name: z.string(),
  definition: z.string(),
  domain: z.string(),
  examples: z.array(z.string()),
  related: z.array(z.string()),
  version: z.int().min(0),
  lineage: Lineage,
})

/** How an engineer sees a concept: as something to be built. */
const Engineering = z.strictObject({ type: z.literal('engineering'), text: z.string() })

const JUSTICE = {
  path: 'concept.justice.define',
  input: {
    definition: 'Each gets what is theirs, and no more',
    extends: ['entity'],
    justification: 'We talk about fair prices',
    examples: ['A judge who hears both sides'],
    domain: 'ethics',
  },
}

const CRITERIA = ['has_definition', 'has_examples', 'has_relations', 'domain_specified'] as const

export const concept = defineNode('concept.*', {
  summary: 'What your words mean, what they come from, and what they are like',
  holons: async (db, { like, limit, offset }) => {
    const names = db`
      select name from (
        select name from concepts union all select jsonb_array_elements_text(${db.json([...ROOT_NAMES])}) collate "C"
      ) all_names where name like ${like}`
    const rows = await db<{ name: string }[]>`${names} order by name limit ${limit} offset ${offset}`
    const [count] = await db<{ total: number }[]>`select count(*)::int as total from (${names}) found`
    return { names: rows.map(({ name }) => name), total: count?.total ?? 0 }
  },
  aspects: {
    manifest: aspect({
      category: 'P',
      summary: 'The concept, as your archetype sees it',
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
    }),

    define: aspect({
      category: 'G',
      summary: 'Define the concept that the path names; with a name, define that as a kind of it',
      effects: ['writes:concept', 'calls:embedder', 'charges:tokens'],
      cost: () => ({ tokens: 50 }),
      input: z.strictObject({
        name: Name.optional(),
        definition: Text.max(LONGEST_DEFINITION),
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
    }),

    refine: aspect({
      category: 'G',
      summary: 'Put the definition to the test, and keep what a model makes of it as the new one',
      effects: ['writes:concept', 'calls:llm', 'calls:embedder', 'charges:tokens'],
      cost: () => ({ tokens: REFINE_TOKENS }),
      input: z
        .strictObject({
          challenge: Text.max(2000).optional(),
          /** The result of the stage before, as a challenge or with one. */
          input: z.unknown().optional(),
          /** The version that is meant; another one is not refined. */
          version: z.int().min(1).optional(),
        })
        .refine(({ challenge, input }) => wordsAbout(challenge, input) !== '', 'say a challenge'),
      output: z.strictObject({
        original: z.string(),
        challenge: z.string(),
        refined: z.string(),
        status: z.enum(['refined', 'unchanged']),
        version: z.int().min(1),
      }),
      examples: [
        {
          summary: 'What about mercy?',
          holon: 'justice',
          input: { challenge: 'A debt that is forgiven is unjust, by this definition' },
          given: [JUSTICE],
        },
      ],
      async handle({ challenge, input, version }, call) {
        const { definition, version: current } = await refinable(call, version)
        const words = wordsAbout(challenge, input)
        return call.infer(
          {
            messages: [
              { role: 'system', content: REFINE_PROMPT },
              {
                role: 'user',
                content: `Concept: ${call.holon}\nDefinition: ${definition}\nChallenge: ${words}`,
              },
            ],
            maxTokens: REFINED_TOKENS,
            temperature: REFINE_TEMPERATURE,
            estimateTokens: REFINE_TOKENS + Math.ceil(words.length / 3),
          },
          // What comes back refines this very version, or nothing.
          { as: 'refine', input: { challenge: words, version: current } },
        )
      },
      async complete({ input: { challenge = '', version }, text }, call) {
        const before = await refinable(call, version)
        const refined = text.trim().slice(0, LONGEST_DEFINITION).toWellFormed().trim()
        const told = { original: before.definition, challenge, version: before.version }
        if (refined === '' || refined === before.definition)
          return { ...told, refined: before.definition, status: 'unchanged' as const }
        await call.db`
          update concepts set definition = ${refined}, version = version + 1, updated_at = now()
          where name = ${before.name}`
        await putConceptEntry(call, { ...before, definition: refined })
        await keepIndexing(call, CONCEPTS)
        const view = await viewOf(await findConcept(call.db, before.name), call)
        call.changed(view.handle, view)
        return { ...told, refined, status: 'refined' as const, version: view.version }
      },
    }),

    relate: aspect({
      category: 'C',
      summary: 'What it comes from, what comes from it, what it names, and what means much the same',
      effects: ['reads:concept'],
      input: z.strictObject({
        /** Only what there is between the two. */
        target: Name.optional(),
        limit: z.int().min(1).max(MOST_RELATED).default(20),
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
    }),

    lineage: aspect({
      category: 'I',
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
    }),

    validate: aspect({
      category: 'P',
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
        const asked = Object.fromEntries(criteria.map((each) => [each, all[each]]))
        return { handle: `concept.${holon}`, criteria: asked, valid: Object.values(asked).every(Boolean) }
      },
    }),

    index: indexAspect(CONCEPTS),
  },
})

const REFINE_PROMPT =
  'You refine definitions. Answer with the new definition alone, in one or two sentences: keep what is right in the ' +
  'old one, and change what the challenge shows to be wrong or missing.'

/** @throws Failure STATE_CONFLICT where the name is taken by the platform */
function checkName(name: string, { platform }: Call): void {
  const taken = findRoot(name) !== undefined || platform.hasNode('concept', name)
  if (!taken) return
  throw new Failure('STATE_CONFLICT', `Cannot define "concept.${name}": the platform has one of that name`, {
    suggestion: 'Choose another name',
  })
}

/** @throws Failure PRECONDITION_FAILED that names the parents that are not there; LAW_VIOLATION where it is its own */
async function parentsOf(name: string, names: readonly string[], { db }: Call): Promise<Concept[]> {
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
async function checkRoom({ db }: Call): Promise<void> {
  const [row] = await db<{ count: number }[]>`select count(*)::int as count from concepts`
  if ((row?.count ?? 0) < MOST_CONCEPTS) return
  throw new Failure('QUOTA_EXCEEDED', `Cannot define one more concept: there are ${MOST_CONCEPTS}`, {
    suggestion: 'Refine what is there',
    details: { resource: 'concepts', limit: MOST_CONCEPTS },
  })
}

/** @throws Failure STATE_CONFLICT for a root, and where it has become another version */
async function refinable({ db, holon }: Call, version: number | undefined): Promise<Concept> {
  const found = await findConcept(db, holon, true)
  if (found.version === 0) {
    throw new Failure('STATE_CONFLICT', `Cannot refine "concept.${holon}": it is everybody's`, {
      suggestion: `Define one that extends it: concept.${holon}.define with a name`,
    })
  }
  if (version !== undefined && version !== found.version) {
    throw new Failure(
      'STATE_CONFLICT',
      `Cannot refine version ${version} of "concept.${holon}": it is ${found.version} by now`,
      { suggestion: 'Look at it again, and challenge what it says now' },
    )
  }
  return found
}

/** Names of all that it comes from, nearest first. */
async function ancestorsOf(of: Concept, { db }: Call): Promise<string[]> {
  const seen = new Set<string>()
  for (let level = of.extends; level.length > 0;) {
    const next = level.filter((each) => !seen.has(each))
    for (const each of next) seen.add(each)
    level = (await findConcepts(db, next)).flatMap((each) => each.extends)
  }
  return [...seen]
}

async function lineageOf(of: Concept, { db }: Call): Promise<z.infer<typeof Lineage>> {
  const { name, extends: parents, justification, affordances, constraints, domain, depth, created_by } = of
  return {
    handle: `concept.${name}`,
    extends: parents.map((each) => `concept.${each}`),
    subsumes: (await childrenOf(db, name, 100)).map((each) => `concept.${each}`),
    justification,
    affordances,
    constraints,
    domain,
    depth,
    created_by,
    created_at: of.created_at?.toISOString() ?? null,
  }
}

async function viewOf(of: Concept, call: Call): Promise<z.infer<typeof ConceptView>> {
  const { name, definition, domain, examples, related, version } = of
  const lineage = await lineageOf(of, call)
  return { handle: `concept.${name}`, name, definition, domain, examples, related, version, lineage }
}

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
