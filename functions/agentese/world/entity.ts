/**
 * `world.*`: the things of a tenant's own world. Each archetype has its own view of them; what it is stands in a state
 * that its makers write as they please. `world.house.define` makes `world.house`; with a name it makes a child of it.
 */
import { defineNode } from '../../../shared/contract/define-node.ts'
import { define } from './entity/define.ts'
import { demolish } from './entity/demolish.ts'
import { manifest } from './entity/manifest.ts'
import { analyze, measure } from './entity/measure.ts'
import { relate } from './entity/relate.ts'
import { transform } from './entity/transform.ts'

export const world = defineNode('world.*', {
  summary: 'The things of your own world, and how each observer sees them',
  holons: async (db, { like, limit, offset }) => {
    const rows = await db<{ name: string }[]>`
      select name from entities where name like ${like} order by name limit ${limit} offset ${offset}`
    const [count] = await db<{ total: number }[]>`
      select count(*)::integer as total from entities where name like ${like}`
    return { names: rows.map(({ name }) => name), total: count?.total ?? 0 }
  },
  aspects: {
    manifest,
    define,
    transform,
    relate,
    measure,
    analyze,
    demolish,
  },
})
