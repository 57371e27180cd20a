/** Which models there are. */
import { Basic } from '../../../../shared/agentese/manifest/payloads.ts'
import { aspect, NoInput } from '../../../../shared/contract/define-node.ts'
import { listModels } from '../../../../shared/models/catalogue.ts'

export const manifest = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'Which models your plan may ask',
  effects: ['reads:model'],
  input: NoInput,
  output: Basic,
  examples: [{ summary: 'Look at the models', input: {} }],
  handle(_input, { identity }) {
    const models = listModels(identity.plan)
    return {
      type: 'basic' as const,
      summary: 'world.model: models',
      content: `${models.length} models can be asked: ${models.map(({ id }) => id).join(', ')}.`,
      metadata: { models: models.map(({ id, kind, contextTokens }) => ({ id, kind, contextTokens })) },
    }
  },
})
