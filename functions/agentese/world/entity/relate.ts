/** What is around an entity. */
import { z } from 'zod'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { cutPage } from '../../../../shared/contract/pages.ts'
import { findEntity, relatedTo } from './rows.ts'
import { HOUSE, Name } from './shapes.ts'

export const relate = aspect({
  category: 'C',
  archetypes: ['architect', 'developer', 'philosopher'],
  summary: 'What it is part of, what is part of it, and what it is tied to',
  effects: ['reads:entity'],
  input: z.strictObject({
    /** Only what there is between the two. */
    target: Name.optional(),
    limit: z.int().min(1).max(100).default(50),
    cursor: z
      .string()
      .regex(/^[a-z0-9_]{1,64}:(up|down|out|in):[a-z0-9_]{1,64}$/)
      .optional(),
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
    next_cursor: z.string().nullable(),
  }),
  examples: [{ summary: 'Everything around the house', holon: 'house', input: {}, given: [HOUSE] }],
  async handle({ target, limit, cursor }, { db, holon }) {
    await findEntity(db, holon)
    if (target !== undefined) await findEntity(db, target)
    const rows = await relatedTo(db, holon, { target, after: cursor?.split(':') ?? [], limit: limit + 1 })
    const { page, next_cursor } = cutPage(
      rows,
      limit,
      (last) => `${last.relation}:${last.direction}:${last.name}`,
    )
    return {
      handle: `world.${holon}`,
      related: page.map(({ name, ...rest }) => ({ handle: `world.${name}`, ...rest })),
      next_cursor,
    }
  },
})
