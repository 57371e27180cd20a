/** Counts requests of each address in fixed windows, in this process. */
import { z } from 'zod'
import { ANSWERS } from '../../answers.ts'
import type { Answer, CreatePlugin } from '../plugin.ts'

const Config = z.strictObject({
  second: z.int().positive(),
  limit_by: z.literal('ip'),
  policy: z.literal('local'),
  fault_tolerant: z.boolean(),
  hide_client_headers: z.literal(true),
})

const TOO_MANY: Answer = { failure: ANSWERS.tooMany }

export const createRateLimiting: CreatePlugin = (config) => {
  const { second: limit } = Config.parse(config)
  const counts = new Map<string, number>()
  let window = 0
  return {
    access({ client }) {
      const now = Math.floor(Date.now() / 1000)
      if (now !== window) {
        window = now
        counts.clear()
      }
      const count = (counts.get(client) ?? 0) + 1
      counts.set(client, count)
      return count > limit ? TOO_MANY : undefined
    },
  }
}
