/**
 * The models that callers may name: those that come along, or those of `MODEL_CATALOGUE`. Their order counts: the first one of
 * a kind is used where none is named.
 */
import { Failure } from '../failures.ts'
import type { TokenUsage } from '../inference/messages.ts'
import { TIERS, type Tier } from '../plans/tiers.ts'
import { OWN_MODELS, type Model } from './model.ts'

export type { Model, ModelFeature } from './model.ts'

let models = OWN_MODELS

/** Sets the models of this process, once when it starts; without any, they are those that come along. */
export function setCatalogue(configured: readonly Model[] = OWN_MODELS): void {
  models = configured
}

/** The models that a plan may use, in the order of the catalogue. */
export function listModels(plan: Tier | { id: Tier }): readonly Model[] {
  const tier = tierOf(plan)
  return models.filter((model) => isIn(model, tier))
}

/**
 * The model that callers on `plan` name `name`; the default one of its kind where they name none.
 *
 * @throws Failure NOT_FOUND for a name that no model has, or one of the other kind; TIER_REQUIRED where the plan does not have it
 */
export function findModel(
  name: string | undefined,
  plan: Tier | { id: Tier },
  kind: Model['kind'] = 'chat',
): Model {
  const tier = tierOf(plan)
  const known = models.filter((model) => model.kind === kind)
  const usable = known.filter((model) => isIn(model, tier))
  const model = name === undefined ? usable[0] : known.find(({ id }) => id === name)
  if (model === undefined) throw unknown(name, kind, usable)
  if (!isIn(model, tier)) throw notInPlan(model, tier, usable)
  return model
}

/** What is known of a model, for any plan; undefined where no model has that name. */
export function modelNamed(id: string): Model | undefined {
  return models.find((model) => model.id === id)
}

/** What tokens of a model cost, in US dollars; undefined where it is in the catalogue no more. */
export function costUsd(id: string, { prompt, completion }: TokenUsage): number | undefined {
  const price = modelNamed(id)?.pricePerMillion
  if (price === undefined) return undefined
  return (prompt * price.prompt + completion * price.completion) / 1_000_000
}

function tierOf(plan: Tier | { id: Tier }): Tier {
  return typeof plan === 'string' ? plan : plan.id
}

function isIn({ plans }: Model, tier: Tier): boolean {
  return plans === undefined || plans.includes(tier)
}

function unknown(name: string | undefined, kind: Model['kind'], usable: readonly Model[]): Failure {
  const available = usable.map(({ id }) => id)
  const message =
    name === undefined
      ? `Cannot use a model: the catalogue has none of kind "${kind}"`
      : `Cannot use model "${name.slice(0, 100)}": the catalogue has no such model of kind "${kind}"`
  return new Failure('NOT_FOUND', message, {
    suggestion: 'Use a model that GET /v1/models lists, or leave "model" out',
    available,
  })
}

function notInPlan({ id, plans = [] }: Model, tier: Tier, usable: readonly Model[]): Failure {
  const smallest = TIERS.find((each) => plans.includes(each))
  return new Failure('TIER_REQUIRED', `Cannot use model "${id}": plan "${tier}" does not have it`, {
    suggestion:
      smallest === undefined ? 'Use another model' : `Use another model, or move to plan "${smallest}"`,
    available: usable.map((model) => model.id),
    details: { model: id, tier, ...(smallest === undefined ? {} : { smallest_plan: smallest }) },
  })
}
