/** Which dead letters are meant. */
import { z } from 'zod'
import { Instant } from '../../../shared/instant.ts'

const MAX_IDS = 1000

export const Filter = z.strictObject({
  function: z.string().max(63).optional().describe('The function that did not take it'),
  type: z.string().max(1024).optional().describe('Of the event'),
  from: Instant.optional().describe('When it was given up'),
  to: Instant.optional().describe('Exclusive'),
})

export const Chosen = Filter.extend({ ids: z.array(z.uuid()).min(1).max(MAX_IDS).optional() })
export type Chosen = z.infer<typeof Chosen>

/** For `refine`: nobody means all of them by mistake. */
export const narrowedBy = (names: readonly string[]) =>
  [
    (chosen: Record<string, unknown>) => names.some((name) => chosen[name] !== undefined),
    `at least one of ${names.join(', ')} is required`,
  ] as const

export const NARROWING = ['ids', 'function', 'type', 'from', 'to'] as const
