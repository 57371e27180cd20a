/** Refuses a large body: before reading it where its length is announced, else as soon as it is over the limit. */
import { z } from 'zod'
import { ANSWERS } from '../../answers.ts'
import type { Answer, CreatePlugin } from '../plugin.ts'

const UNITS = { bytes: 1, kilobytes: 2 ** 10, megabytes: 2 ** 20 }

const Config = z.strictObject({
  allowed_payload_size: z.int().positive(),
  size_unit: z.enum(['bytes', 'kilobytes', 'megabytes']),
  require_content_length: z.literal(false),
})

const TOO_LARGE: Answer = { failure: ANSWERS.bodyTooLarge }

export const createRequestSizeLimiting: CreatePlugin = (config) => {
  const { allowed_payload_size, size_unit } = Config.parse(config)
  const limit = allowed_payload_size * UNITS[size_unit]
  return {
    access(exchange) {
      exchange.maxBodyBytes = limit
      return Number(exchange.request.headers['content-length'] ?? 0) > limit ? TOO_LARGE : undefined
    },
  }
}
