/**
 * `concept.*`: what a tenant's words mean. Each concept extends others, up to the roots that everybody has, and is found
 * by what it means. `concept.justice.define` defines `concept.justice`; with a name it defines that as a kind of it.
 */
import { defineNode } from '../../../shared/contract/define-node.ts'
import { indexAspect } from '../../../shared/recall/indexing.ts'
import { define } from './concept/define.ts'
import { lineage, relate, validate } from './concept/inspect.ts'
import { ROOT_NAMES } from './concept/lineage.ts'
import { manifest } from './concept/manifest.ts'
import { refine } from './concept/refine.ts'
import { CONCEPTS } from './concept/rows.ts'

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
    manifest,
    define,
    refine,
    relate,
    lineage,
    validate,
    index: indexAspect(CONCEPTS, 'all'),
  },
})
