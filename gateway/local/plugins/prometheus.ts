/** Enables metrics by route. They are counted where the answer ends (`metrics.ts`), for every request alike. */
import { z } from 'zod'
import type { CreatePlugin } from '../plugin.ts'

const Config = z.strictObject({
  per_consumer: z.literal(false),
  status_code_metrics: z.literal(true),
  latency_metrics: z.literal(true),
  bandwidth_metrics: z.boolean(),
})

export const createPrometheus: CreatePlugin = (config) => {
  Config.parse(config)
  return {}
}
