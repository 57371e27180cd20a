/** What can be counted in an entity, and what it consists of. */
import { z } from 'zod'
import { numbersIn, typesOf } from '../../../../shared/agentese/manifest/source.ts'
import { aspect, NoInput } from '../../../../shared/contract/define-node.ts'
import { sizeOf } from '../../../../shared/contract/json-object.ts'
import type { Db } from '../../../../shared/database/database.ts'
import { Failure } from '../../../../shared/failures.ts'
import { countParts, findEntity, stateOf, type Entity } from './rows.ts'
import { HOUSE } from './shapes.ts'
import { beginningOf } from '../../../../shared/beginning.ts'

export const measure = aspect({
  category: 'P',
  archetypes: ['architect', 'scientist', 'developer'],
  summary: 'Numbers of its state and around it; one of them, or all',
  effects: ['reads:entity'],
  input: z.strictObject({
    /** `parts`, `relations`, `changes`, `state_bytes`, or the path of a number: `state.dimensions.width`. */
    metric: z.string().min(1).max(2000).optional(),
  }),
  output: z.strictObject({
    handle: z.string(),
    measurements: z.record(z.string(), z.number()),
    /** The measurement that was asked for. */
    value: z.number().nullable(),
  }),
  examples: [
    {
      summary: 'How wide is it?',
      holon: 'house',
      input: { metric: 'state.dimensions.width' },
      given: [HOUSE],
    },
    { summary: 'All that can be measured', holon: 'house', input: {}, given: [HOUSE] },
  ],
  async handle({ metric }, { db, holon }) {
    const handle = `world.${holon}`
    const measurements = await measureAll(db, await findEntity(db, holon))
    if (metric === undefined) return { handle, measurements, value: null }
    const value = Object.hasOwn(measurements, metric) ? measurements[metric] : undefined
    if (value === undefined) {
      throw new Failure(
        'NOT_FOUND',
        `Cannot measure "${beginningOf(metric, 100)}" of ${handle}: there is no such number`,
        {
          suggestion: 'Use one of the available metrics',
          available: Object.keys(measurements).slice(0, 100),
        },
      )
    }
    return { handle, measurements: { [metric]: value }, value }
  },
})

export const analyze = aspect({
  category: 'P',
  archetypes: ['scientist', 'philosopher', 'developer', 'economist'],
  summary: 'What its state and metadata consist of, and how often it changed',
  effects: ['reads:entity'],
  input: NoInput,
  output: z.strictObject({
    handle: z.string(),
    entity_type: z.string(),
    /** JSON types by member. */
    state: z.record(z.string(), z.string()),
    metadata: z.record(z.string(), z.string()),
    changes: z.int().min(0),
    created_at: z.string(),
    updated_at: z.string(),
  }),
  examples: [{ summary: 'What is the house made of?', holon: 'house', input: {}, given: [HOUSE] }],
  async handle(_input, { db, holon }) {
    const { entity_type, state, metadata, changes, created_at, updated_at } = await findEntity(db, holon)
    return {
      handle: `world.${holon}`,
      entity_type,
      state: typesOf(state),
      metadata: typesOf(metadata),
      changes,
      created_at: created_at.toISOString(),
      updated_at: updated_at.toISOString(),
    }
  },
})

async function measureAll(db: Db, entity: Entity): Promise<Record<string, number>> {
  const { state, relations } = await stateOf(db, entity)
  const numbers = Object.entries(numbersIn(state)).map(([path, value]) => [`state.${path}`, value] as const)
  return {
    parts: await countParts(db, entity.name),
    relations: Object.values(relations).flat().length,
    changes: entity.changes,
    state_bytes: sizeOf(state),
    ...Object.fromEntries(numbers),
  }
}
