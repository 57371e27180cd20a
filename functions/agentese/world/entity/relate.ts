/** What is around an entity. */
import { z } from 'zod'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { NextCursor, orderBy } from '../../../../shared/contract/pages.ts'
import { findEntity, relatedTo } from './rows.ts'
import { HOUSE, Name } from './shapes.ts'

const BY_RELATION = orderBy({ relation: 'text', direction: 'text', name: 'text' }, 'asc')

export const relate = aspect({
  category: 'C',
  archetypes: ['architect', 'developer', 'philosopher'],
  summary: 'What it is part of, what is part of it, and what it is tied to',
  effects: ['reads:entity'],
  input: z.strictObject({
    /** Only what there is between the two. */
    target: Name.optional(),
    limit: z.int().min(1).max(100).default(50),
    cursor: BY_RELATION.Cursor.optional(),
  }),
  output: z.strictObject({
    handle: z.string(),
    related: z.array(
      z.strictObject({
        handle: z.string(),
        relation: z.string(),
        /** To its whole, to a part, to what it names, from what names it. */
        direction: z.enum(['up', 'down', 'out', 'in']),
      }),
    ),
    next_cursor: NextCursor,
  }),
  examples: [{ summary: 'Everything around the house', holon: 'house', input: {}, given: [HOUSE] }],
  async handle({ target, ...bounds }, { db, holon }) {
    await findEntity(db, holon)
    if (target !== undefined) await findEntity(db, target)
    const { page, next_cursor } = await BY_RELATION.readPage(db, relatedTo(db, holon, target), bounds)
    return {
      handle: `world.${holon}`,
      related: page.map(({ name, ...rest }) => ({ handle: `world.${name}`, ...rest })),
      next_cursor,
    }
  },
})
