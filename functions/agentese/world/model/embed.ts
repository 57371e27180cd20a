/** Vectors of texts. */
import { z } from 'zod'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { EmbedRequest, estimateTokens, TokenUsage } from '../../../../shared/inference/messages.ts'
import { encodeVector } from '../../../../shared/inference/vectors.ts'
import { chooseModel } from './choose-model.ts'
import { ModelName } from './shapes.ts'

export const embed = aspect({
  category: 'M',
  archetypes: 'all',
  summary: 'The vectors of texts: texts that mean the same have vectors that point the same way',
  effects: ['calls:llm', 'charges:tokens'],
  cost: ({ texts }) => ({ tokens: estimateTokens(texts) }),
  needs: ['inference'],
  input: EmbedRequest.extend({
    model: ModelName.optional(),
    /** Base64 of 32-bit floats, little-endian, takes a quarter of the room. */
    encoding: z.enum(['numbers', 'base64']).default('numbers'),
  }),
  output: z.strictObject({
    /** One for each text, in their order, each of length 1; null for a text in a script that the model cannot read. */
    vectors: z.array(z.union([z.array(z.number()), z.string()]).nullable()),
    tokens: TokenUsage,
    model: z.string(),
  }),
  examples: [{ summary: 'Two texts', input: { texts: ['a cat on a mat', 'a dog in the fog'] } }],
  handle({ texts, model }, call) {
    chooseModel(model, call, 'embedding')
    return call.infer({ texts, estimateTokens: estimateTokens(texts) })
  },
  complete({ input: { encoding }, vectors, tokens, model }) {
    const write = (vector: Float32Array) =>
      encoding === 'base64' ? encodeVector(vector) : Array.from(vector)
    return { vectors: vectors.map((vector) => (vector === undefined ? null : write(vector))), tokens, model }
  },
})
