/** What a concept has to do with others: by its lineage, by what it names, by shared parents, and by what it means. */
import type { Db } from '../../../../shared/database/database.ts'
import { EVERYBODY } from '../../../../shared/recall/entries.ts'
import { search, vectorOf } from '../../../../shared/recall/search.ts'
import { similarityOf } from '../../../../shared/recall/sketch.ts'
import { childrenOf, CONCEPTS, type Concept } from './rows.ts'

/** The closest ties first. */
export const RELATIONS = ['parent', 'child', 'related', 'sibling', 'alike'] as const
type Relation = (typeof RELATIONS)[number]

/** Ties of each kind, and of all kinds that are requested. */
export const MAX_RELATED = 100
/** Least similarity of what means much the same. */
const ALIKE = 0.3

interface Tie {
  concept: string
  relation: Relation
  similarity: number | null
}

/** Ties of `source`, the closest first; with a target, those to it alone. A concept appears once for each kind of tie. */
export async function relationsOf(db: Db, source: Concept, target: string | undefined): Promise<Tie[]> {
  const tie = (relation: Relation) => (concept: string) => ({ concept, relation, similarity: null })
  const ties: Tie[] = [
    ...source.extends.map(tie('parent')),
    ...(await childrenOf(db, source.name, MAX_RELATED)).map(tie('child')),
    ...(await namedWith(db, source)).map(tie('related')),
    ...(await siblingsOf(db, source)).map(tie('sibling')),
  ]
  if (target === undefined) return [...ties, ...(await alikeTo(db, source))]
  const likeness = await likenessOf(db, source.name, target)
  return [...ties.filter(({ concept }) => concept === target), ...likeness]
}

/** Concepts that it names or that name it; a name may stand for what is not defined yet, which is no tie. */
async function namedWith(db: Db, { name, related }: Concept): Promise<string[]> {
  const rows = await db<{ name: string }[]>`
    select name from concepts
    where name in (select jsonb_array_elements_text(${db.json([...related])})) or related @> ${db.json([name])}
    order by name limit ${MAX_RELATED}`
  return rows.map((row) => row.name)
}

/** Concepts that share a parent with it, most of them first. */
async function siblingsOf(db: Db, { name, extends: parents }: Concept): Promise<string[]> {
  const rows = await db<{ name: string }[]>`
    select c.name from concepts c, jsonb_array_elements_text(c.extends) parent
    where parent in (select jsonb_array_elements_text(${db.json([...parents])})) and c.name <> ${name}
    group by c.name order by count(*) desc, c.name limit ${MAX_RELATED}`
  return rows.map((row) => row.name)
}

/** By its own vector where it has one, so that no model is used; else by its words. */
async function alikeTo(db: Db, { name, definition }: Concept): Promise<Tie[]> {
  const hits = await search(db, CONCEPTS, {
    owner: EVERYBODY,
    text: `${name.replaceAll('_', ' ')} ${definition}`,
    meaning: await vectorOf(db, CONCEPTS, EVERYBODY, name),
    limit: 11,
    threshold: ALIKE,
  })
  return hits
    .filter(({ subject }) => subject !== name)
    .map(({ subject, similarity }) => ({ concept: subject, relation: 'alike', similarity }))
}

/** How much two concepts mean the same, where both are embedded by the same model. */
async function likenessOf(db: Db, source: string, target: string): Promise<Tie[]> {
  const a = await vectorOf(db, CONCEPTS, EVERYBODY, source)
  const b = await vectorOf(db, CONCEPTS, EVERYBODY, target)
  if (a === undefined || b === undefined || a.model !== b.model) return []
  return [{ concept: target, relation: 'alike', similarity: similarityOf(a.vector, b.vector) }]
}
