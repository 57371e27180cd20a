/** Which dead letters are meant. */
import { z } from 'zod'
import { Instant } from '../../../shared/instant.ts'

const MAX_IDS = 1000

export const Filter = z.strictObject({
  tenant: z.uuid().optional(),
  function: z.string().max(63).optional().describe('The function that did not take it'),
  type: z.string().max(1024).optional().describe('Of the event'),
  from: Instant.optional().describe('When it was given up'),
  to: Instant.optional().describe('Exclusive'),
})
export type Filter = z.infer<typeof Filter>

export const Chosen = Filter.extend({ ids: z.array(z.uuid()).min(1).max(MAX_IDS).optional() })
export type Chosen = z.infer<typeof Chosen>

const NARROWING = ['ids', 'tenant', 'function', 'type', 'from', 'to'] as const

/** For `refine`: nobody means all of them by mistake. */
export const isNarrow = [
  (chosen: Chosen) => NARROWING.some((name) => chosen[name] !== undefined),
  `at least one of ${NARROWING.join(', ')} is required`,
] as const

/** As the functions of the database take it. */
export function filterOf(chosen: Chosen): Record<string, unknown> {
  return Object.fromEntries(
    NARROWING.map((name) => [name, chosen[name]]).filter(([, value]) => value !== undefined),
  )
}
