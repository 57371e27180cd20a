/** The models that callers may name. The first one of a kind is used where none is named. */
import { Failure } from '../failures.ts'
import type { Tier } from '../plans/tiers.ts'

export interface Model {
  id: string
  kind: 'chat' | 'embedding'
  ownedBy: string
  /** Prompt and answer together; of an embedding model, one text. */
  contextTokens: number
  /** US dollars for a million tokens. */
  pricePerMillion: { prompt: number; completion: number }
  features: readonly string[]
}

const FREE = { prompt: 0, completion: 0 }
const MODELS: readonly Model[] = [
  {
    id: 'smollm2-135m-instruct',
    kind: 'chat',
    ownedBy: 'HuggingFaceTB',
    contextTokens: 4096,
    pricePerMillion: FREE,
    features: ['tools', 'json_schema'],
  },
  {
    id: 'all-minilm-l6-v2',
    kind: 'embedding',
    ownedBy: 'sentence-transformers',
    contextTokens: 512,
    pricePerMillion: FREE,
    features: [],
  },
]

/** The models that a plan may use. */
export function listModels(_plan: Tier | { id: Tier }): readonly Model[] {
  return MODELS
}

/** @throws Failure NOT_FOUND for a name that no model of this kind has */
export function findModel(
  name: string | undefined,
  plan: Tier | { id: Tier },
  kind: Model['kind'] = 'chat',
): Model {
  const usable = listModels(plan).filter((model) => model.kind === kind)
  const model = name === undefined ? usable[0] : usable.find(({ id }) => id === name)
  if (model !== undefined) return model
  throw new Failure(
    'NOT_FOUND',
    `Cannot use model "${name}": the catalogue has no such model of kind "${kind}"`,
    {
      suggestion: 'Use a model that GET /v1/models lists, or leave "model" out',
      available: usable.map(({ id }) => id),
    },
  )
}
