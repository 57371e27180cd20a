/** Leaves headers of the client behind, by name. */
import { z } from 'zod'
import type { CreatePlugin } from '../plugin.ts'

const Config = z.strictObject({ remove: z.strictObject({ headers: z.array(z.string()) }) })

export const createRequestTransformer: CreatePlugin = (config) => {
  const removed = new Set(Config.parse(config).remove.headers.map((name) => name.toLowerCase()))
  return { strips: (name) => removed.has(name) }
}
