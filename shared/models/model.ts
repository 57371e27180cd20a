/** A model as the catalogue has it: what callers may ask of it, what it costs, and where it runs. */
import { z } from 'zod'
import { TIERS } from '../plans/tiers.ts'

/** What a model can do besides answering by text. */
export const MODEL_FEATURES = ['tools', 'json_schema'] as const
export type ModelFeature = (typeof MODEL_FEATURES)[number]

const UsDollars = z.number().min(0).max(100_000)

export const Model = z.strictObject({
  /** What callers name it by. */
  id: z.string().regex(/^[\w.:/-]{1,100}$/, 'is no name of a model'),
  kind: z.enum(['chat', 'embedding']),
  ownedBy: z.string().min(1).max(100),
  /** Prompt and answer together; of an embedding model, one text. */
  contextTokens: z.int().min(16),
  /** US dollars for a million tokens. */
  pricePerMillion: z.strictObject({ prompt: UsDollars, completion: UsDollars }),
  features: z.array(z.enum(MODEL_FEATURES)).default([]),
  /** Plans that may use it; all of them where it is absent. */
  plans: z.array(z.enum(TIERS)).min(1).optional(),
  /**
   * Model servers (`INFERENCE_SERVER_NAMES`) that have it, with its name there. Where it is absent, it is the model that
   * every worker has by default.
   */
  servers: z.array(z.strictObject({ name: z.string().min(1), model: z.string().min(1) })).optional(),
})
export type Model = z.infer<typeof Model>

/** Models of one platform: no id twice, and one that answers, for its first one is the default. */
export const Models = z
  .array(Model)
  .min(1)
  .refine((models) => new Set(models.map(({ id }) => id)).size === models.length, 'has an id twice')
  .refine((models) => models.some(({ kind }) => kind === 'chat'), 'has no model of kind "chat"')

/** The models that come along, and cost nothing but the machine. */
export const OWN_MODELS: readonly Model[] = [
  {
    id: 'smollm2-135m-instruct',
    kind: 'chat',
    ownedBy: 'HuggingFaceTB',
    contextTokens: 4096,
    pricePerMillion: { prompt: 0, completion: 0 },
    features: ['tools', 'json_schema'],
  },
  {
    id: 'all-minilm-l6-v2',
    kind: 'embedding',
    ownedBy: 'sentence-transformers',
    contextTokens: 512,
    pricePerMillion: { prompt: 0, completion: 0 },
    features: [],
  },
]
