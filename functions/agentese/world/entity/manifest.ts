/** How an entity shows itself to each archetype. */
import { ArchetypePayload } from '../../../../shared/agentese/manifest/payloads.ts'
import { renderManifest } from '../../../../shared/agentese/manifest/render.ts'
import { aspect, NoInput } from '../../../../shared/contract/define-node.ts'
import { findEntity, stateOf } from './rows.ts'
import { HOUSE } from './shapes.ts'

export const manifest = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'The thing, as your archetype sees it',
  effects: ['reads:entity'],
  input: NoInput,
  output: ArchetypePayload,
  examples: [{ summary: 'Look at the house', holon: 'house', input: {}, given: [HOUSE] }],
  async handle(_input, { db, holon, observer }) {
    const entity = await findEntity(db, holon)
    const { handle, name, description, state, metadata, relations } = await stateOf(db, entity)
    const source = {
      handle,
      name,
      kind: entity.entity_type,
      description,
      state,
      metadata,
      related: [...new Set(Object.values(relations).flat())],
      changes: entity.changes,
      updated: entity.updated_at.toISOString(),
    }
    return renderManifest(source, observer.archetype)
  },
})
