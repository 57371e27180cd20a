/** The models that can be asked, as the API of OpenAI lists them. */
import { z } from 'zod'
import { NoInput } from '../../shared/contract/define-node.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { Failure } from '../../shared/failures.ts'
import { listModels, type Model } from '../../shared/models/catalogue.ts'

const ShownModel = z.strictObject({
  id: z.string(),
  object: z.literal('model'),
  /** Seconds since 1970. Clients expect it; nothing here dates a model. */
  created: z.int(),
  owned_by: z.string(),
  /** What the API of OpenAI does not say of a model. */
  kind: z.enum(['chat', 'embedding']),
  context_tokens: z.int(),
  price_per_million_usd: z.strictObject({ prompt: z.number(), completion: z.number() }),
  features: z.array(z.string()),
})

export const models = defineOperation({
  name: 'models',
  summary: 'The models that can be asked',
  routes: {
    list: route({
      route: 'GET /v1/models',
      summary: 'The models that your plan may ask',
      permission: 'agentese:read',
      scopes: ['model:read'],
      input: NoInput,
      output: z.strictObject({ object: z.literal('list'), data: z.array(ShownModel) }),
      errors: 'openai',
      handle: (_input, { identity }) => ({
        object: 'list' as const,
        data: listModels(identity.plan).map(show),
      }),
    }),

    get: route({
      route: 'GET /v1/models/:id',
      summary: 'One model',
      permission: 'agentese:read',
      scopes: ['model:read'],
      input: z.strictObject({ id: z.string().min(1).max(100) }),
      output: ShownModel,
      errors: 'openai',
      examples: [{ summary: 'A model', input: { id: 'smollm2-135m-instruct' } }],
      handle({ id }, { identity }) {
        const known = listModels(identity.plan)
        const model = known.find((each) => each.id === id)
        if (model !== undefined) return show(model)
        throw new Failure('NOT_FOUND', `Cannot find model "${id}": your plan has no such model`, {
          suggestion: 'GET /v1/models lists those that it has',
          available: known.map((each) => each.id),
          details: { param: 'model' },
        })
      },
    }),
  },
})

function show({ id, kind, ownedBy, contextTokens, pricePerMillion, features }: Model) {
  return {
    id,
    object: 'model' as const,
    created: 0,
    owned_by: ownedBy,
    kind,
    context_tokens: contextTokens,
    price_per_million_usd: pricePerMillion,
    features: [...features],
  }
}
