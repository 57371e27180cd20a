/** A tenant's concepts as rows, with the five roots that everybody has and nobody stores. */
import { similarPaths } from '../../../../shared/agentese/path.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import type { Db } from '../../../../shared/database/database.ts'
import { Failure } from '../../../../shared/failures.ts'
import { EVERYBODY, putEntry, type Corpus } from '../../../../shared/recall/entries.ts'
import { findRoot, ROOT_NAMES } from './lineage.ts'

export const CONCEPTS: Corpus = { kind: 'concept', node: 'concept.*' }

/** Concepts of one tenant. */
export const MAX_CONCEPTS = 10_000

export interface Concept {
  name: string
  definition: string
  domain: string
  examples: string[]
  related: string[]
  extends: string[]
  justification: string
  affordances: string[]
  constraints: string[]
  depth: number
  /** 1, and one more with each refinement; 0 for a root. */
  version: number
  /** Null for a root. */
  created_by: string | null
  created_at: Date | null
  updated_at: Date | null
}

const COLUMNS = [
  'name',
  'definition',
  'domain',
  'examples',
  'related',
  'extends',
  'justification',
  'affordances',
  'constraints',
  'depth',
  'version',
  'created_by',
  'created_at',
  'updated_at',
]

/**
 * A concept by its name, locked where it is to be changed.
 *
 * @throws Failure NOT_FOUND that names similar ones
 */
export async function findConcept(db: Db, name: string, lock = false): Promise<Concept> {
  const root = rootConcept(name)
  if (root !== undefined) return root
  const [row] = await db<Concept[]>`
    select ${db(COLUMNS)} from concepts where name = ${name} ${lock ? db`for update` : db``}`
  return row ?? notFound(db, name)
}

/** Concepts by their names, in that order; names without a concept are omitted. */
export async function findConcepts(db: Db, names: readonly string[]): Promise<Concept[]> {
  const rows = await db<Concept[]>`
    select ${db(COLUMNS)} from concepts where name in (select jsonb_array_elements_text(${db.json([...names])}))`
  return names.flatMap((name) => rootConcept(name) ?? rows.find((row) => row.name === name) ?? [])
}

function rootConcept(name: string): Concept | undefined {
  const root = findRoot(name)
  if (root === undefined) return undefined
  return {
    name,
    definition: root.definition,
    domain: 'general',
    examples: [],
    related: [],
    extends: [...root.extends],
    justification: '',
    affordances: [...root.affordances],
    constraints: [...root.constraints],
    depth: root.depth,
    version: 0,
    created_by: null,
    created_at: null,
    updated_at: null,
  }
}

/** Concepts that extend `name`, by name; roots among them. */
export async function childrenOf(db: Db, name: string, limit: number): Promise<string[]> {
  const rows = await db<{ name: string }[]>`
    select name from concepts where extends @> ${db.json([name])} order by name limit ${limit}`
  const roots = ROOT_NAMES.filter((root) => findRoot(root)?.extends.includes(name))
  return [...roots, ...rows.map((row) => row.name)].slice(0, limit)
}

/** @throws Failure STATE_CONFLICT where there is one of that name; nothing that is there is ever defined anew */
export async function insertConcept(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  concept: Omit<Concept, 'version' | 'created_by' | 'created_at' | 'updated_at'>,
): Promise<void> {
  const made = await db`
    insert into concepts (tenant_id, name, definition, domain, examples, related, extends, justification, affordances,
                          constraints, depth, created_by)
    values (${identity.tenant}, ${concept.name}, ${concept.definition}, ${concept.domain}, ${db.json(concept.examples)},
            ${db.json(concept.related)}, ${db.json(concept.extends)}, ${concept.justification},
            ${db.json(concept.affordances)}, ${db.json(concept.constraints)}, ${concept.depth}, ${identity.user})
    on conflict do nothing returning name`
  if (made.length > 0) return
  throw new Failure('STATE_CONFLICT', `Cannot define "concept.${concept.name}": it is defined already`, {
    suggestion: `Refine it with concept.${concept.name}.refine, or choose another name`,
  })
}

/** Makes a concept findable by what it is called and what it means. */
export async function putConceptEntry(
  call: Pick<Call, 'db' | 'identity'>,
  { name, definition, examples }: Pick<Concept, 'name' | 'definition' | 'examples'>,
): Promise<void> {
  const text = [`${name.replaceAll('_', ' ')}: ${definition}`, ...examples].join('\n')
  await putEntry(call, CONCEPTS, { owner: EVERYBODY, subject: name, text })
}

/** Names before and after that are compared with one that is not there. */
const NEIGHBOURS = 500

async function notFound(db: Db, name: string): Promise<never> {
  const rows = await db<{ name: string }[]>`
    (select name from concepts where name > ${name} order by name limit ${NEIGHBOURS})
    union all (select name from concepts where name < ${name} order by name desc limit ${NEIGHBOURS})`
  const similar = similarPaths(name, [...ROOT_NAMES, ...rows.map((row) => row.name)])
  throw new Failure('NOT_FOUND', `Cannot find "concept.${name}": there is no such concept`, {
    suggestion: `Define it with concept.${name}.define, or use one of the available ones`,
    available: similar.map((each) => `concept.${each}`),
  })
}
