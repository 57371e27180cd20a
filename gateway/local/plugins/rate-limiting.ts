/** Refuses an address that has sent too many requests in this minute, on the clock, as Kong counts them. */
import { z } from 'zod'
import { ANSWERS } from '../../answers.ts'
import type { Answer, CreatePlugin } from '../plugin.ts'

const Config = z.strictObject({
  minute: z.int().positive(),
  limit_by: z.literal('ip'),
  policy: z.literal('local'),
  fault_tolerant: z.literal(true),
  hide_client_headers: z.literal(true),
})

const MINUTE_MS = 60_000
const TOO_MANY: Answer = { failure: ANSWERS.tooMany }

export const createRateLimiting: CreatePlugin = (config) => {
  const { minute } = Config.parse(config)
  const counts = new Map<string, number>()
  let window = 0
  return {
    access({ client }) {
      const now = Math.floor(Date.now() / MINUTE_MS)
      if (now !== window) {
        window = now
        counts.clear()
      }
      const count = (counts.get(client) ?? 0) + 1
      counts.set(client, count)
      return count > minute ? TOO_MANY : undefined
    },
  }
}
