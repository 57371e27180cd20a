/**
 * `world.model`: the models themselves, without a persona, a memory or a tool of ours in between. What speaks the API of OpenAI
 * comes here: the stream hub translates its requests to these verbs, so that they are admitted, budgeted and metered as all others are.
 */
import { defineNode } from '../../../shared/contract/define-node.ts'
import { complete } from './model/complete.ts'
import { embed } from './model/embed.ts'
import { forget, recall } from './model/kept.ts'
import { manifest } from './model/manifest.ts'

export const worldModel = defineNode('world.model', {
  summary: 'The models of the platform, to be asked as they are',
  aspects: { manifest, complete, embed, recall, forget },
})
