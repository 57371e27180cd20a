/** Taking an entity away. */
import { z } from 'zod'
import { aspect, NoInput } from '../../../../shared/contract/define-node.ts'
import { leavePlace } from '../../../../shared/plans/holdings.ts'
import { checkWithoutParts, findEntity, lockEntity } from './rows.ts'
import { HOUSE } from './shapes.ts'

export const demolish = aspect({
  category: 'M',
  archetypes: ['architect'],
  summary: 'Tear it down, if the person who made it agrees',
  effects: ['deletes:entity', 'forces:entity'],
  owner: async (_input, { db, holon }) => (await findEntity(db, holon)).created_by,
  input: NoInput,
  output: z.strictObject({ handle: z.string(), demolished: z.literal(true) }),
  examples: [{ summary: 'Make room', holon: 'house', input: {}, given: [HOUSE] }],
  async handle(_input, call) {
    const { db, holon } = call
    await lockEntity(db, holon, true)
    await checkWithoutParts(db, holon)
    await db`delete from entities where name = ${holon}`
    await leavePlace(db, 'entity')
    call.changed(`world.${holon}`, null)
    return { handle: `world.${holon}`, demolished: true as const }
  },
})
