/** Making an entity. */
import { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { Failure } from '../../../../shared/failures.ts'
import { takePlace } from '../../../../shared/plans/holdings.ts'
import { checkEntities, findEntity, insertEntity, stateOf, tie } from './rows.ts'
import {
  Description,
  EntityView,
  HOUSE,
  isFewKinds,
  Kind,
  Metadata,
  Name,
  State,
  Targets,
  TOO_MANY_KINDS,
} from './shapes.ts'

export const define = aspect({
  category: 'G',
  archetypes: ['architect', 'developer', 'admin'],
  summary: 'Make the thing that the path names; with a name, make that as a part of it',
  effects: ['writes:entity'],
  needs: ['catalog'],
  input: z.strictObject({
    name: Name.optional(),
    entity_type: Name.default('generic'),
    description: Description.default(''),
    state: State.default({}),
    metadata: Metadata.default({}),
    relations: z.record(Kind, Targets).refine(isFewKinds, TOO_MANY_KINDS).default({}),
  }),
  output: EntityView,
  examples: [
    {
      summary: 'A house of oak',
      holon: 'house',
      input: { entity_type: 'building', description: 'An old house', state: { materials: ['oak'] } },
    },
    { summary: 'Its door', holon: 'house', input: { name: 'door' }, given: [HOUSE] },
  ],
  async handle(input, call) {
    const { name = call.holon } = input
    const parent = input.name === undefined ? null : call.holon
    checkFree(name, call)
    if (parent !== null) await checkEntities(call.db, [parent])
    await insertEntity(call, { ...input, name, parent })
    await takePlace(call.db, call.identity, 'entity')
    await tie(call, name, input.relations)
    const made = await stateOf(call.db, await findEntity(call.db, name))
    call.changed(made.handle, made)
    return made
  },
})

/** @throws Failure STATE_CONFLICT where the platform itself has a node of that name */
function checkFree(name: string, { hasNode }: Pick<Call, 'hasNode'>): void {
  if (!hasNode('world', name)) return
  throw new Failure('STATE_CONFLICT', `Cannot define "world.${name}": the platform has a node of that name`, {
    suggestion: 'Choose another name',
  })
}
