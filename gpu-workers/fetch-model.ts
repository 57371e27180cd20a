/**
 * Runs before a worker that has a model of its own, as its init container: fetches the model from `MODEL_URL` to
 * `MODEL_PATH`. A file that has another hash than `MODEL_SHA256` is deleted and no worker starts with it.
 */
import { createHash } from 'node:crypto'
import { createWriteStream, existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import { readEnvironment } from '../shared/config.ts'
import { createLog } from '../shared/telemetry/log.ts'

export const ModelSettings = z.object({
  MODEL_URL: z.url({ protocol: /^https?$/ }).describe('GGUF file of the model'),
  MODEL_SHA256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'is no SHA-256 in hexadecimal digits')
    .describe('Its SHA-256'),
  MODEL_PATH: z.string().min(1).describe('Where it is written to'),
})
export type ModelSettings = Readonly<z.infer<typeof ModelSettings>>

/**
 * Fetches the model unless it is there already; the file has its name only when its hash has been checked.
 *
 * @throws TypeError where the server does not have it or the hash is another
 */
export async function fetchModel(settings: ModelSettings): Promise<void> {
  const { MODEL_URL: url, MODEL_SHA256: expected, MODEL_PATH: path } = settings
  if (existsSync(path)) return
  const partial = `${path}.partial`
  const response = await fetch(url)
  if (!response.ok || response.body === null)
    throw new TypeError(`Cannot fetch the model from "${url}": the answer is ${response.status}`)
  const hash = createHash('sha256')
  async function* hashed(body: AsyncIterable<Uint8Array>) {
    for await (const chunk of body) {
      hash.update(chunk)
      yield chunk
    }
  }
  await pipeline(response.body, hashed, createWriteStream(partial))
  const actual = hash.digest('hex')
  if (actual === expected) return rename(partial, path)
  await rm(partial)
  throw new TypeError(`Cannot use the model from "${url}": its SHA-256 is ${actual}`)
}

if (import.meta.main) {
  const settings = readEnvironment({ env: ModelSettings })
  await fetchModel(settings)
  createLog('fetch-model', 'info').info({ path: settings.MODEL_PATH }, 'the model is there')
}
