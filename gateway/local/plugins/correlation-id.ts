/** Gives every request an id, unless the client did, and returns it with the answer. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { CreatePlugin } from '../plugin.ts'

const Config = z.strictObject({
  header_name: z.string().transform((name) => name.toLowerCase()),
  generator: z.literal('uuid'),
  echo_downstream: z.boolean(),
})

export const createCorrelationId: CreatePlugin = (config) => {
  const { header_name, echo_downstream } = Config.parse(config)
  return {
    access({ request, upstreamHeaders, answerHeaders }) {
      const given = request.headers[header_name]
      const id = typeof given === 'string' && given !== '' ? given : randomUUID()
      if (id !== given) upstreamHeaders[header_name] = id
      if (echo_downstream) answerHeaders[header_name] = id
      return undefined
    },
  }
}
