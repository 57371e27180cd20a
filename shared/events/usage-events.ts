/** Events about usage. */
import { z } from 'zod'

export const THRESHOLD_REACHED = 'io.kgents.usage.threshold_reached'

/** Data of that event: once for each meter, period and threshold. */
export const ThresholdReached = z.looseObject({
  meter: z.string(),
  period: z.string().describe('A month (2026-11) or a day (2026-11-27), in UTC'),
  threshold: z.int().describe('Percent of the limit'),
  used: z.number(),
  limit: z.number(),
  reached_at: z.string(),
})
export type ThresholdReached = z.infer<typeof ThresholdReached>
