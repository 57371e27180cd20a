/** Where a tenant is, as operators see it. */
import { z } from 'zod'

const STEPS = ['create', 'copy', 'fence', 'switch', 'open', 'keep', 'clean', 'done'] as const

export const Placement = z.strictObject({
  tenant: z.uuid(),
  lives_in: z.enum(['pool', 'silo']).describe('Where it is served now'),
  wanted: z
    .enum(['pool', 'silo', 'none'])
    .describe('Where it is to be; `none` while its database is deleted'),
  step: z.enum(STEPS).describe('What the move is at; `done` where there is none'),
  steps_left: z.array(z.enum(STEPS)),
  step_since: z.string().optional(),
  requested_at: z.string().optional(),
  rows_copied: z.int().optional().describe('Of the last move'),
  fenced_ms: z.int().optional().describe('How long writes waited in the last move'),
  error: z.string().optional().describe('Why the last attempt of a step failed; it is tried again'),
})

export interface PlacementRow {
  lives_in: 'pool' | 'silo'
  wanted: 'pool' | 'silo' | 'none'
  step: (typeof STEPS)[number]
  step_since: Date
  requested_at: Date
  rows_copied: string
  fenced_ms: number | null
  error: string | null
}

/** @param row absent where the tenant was never moved */
export function describePlacement(tenant: string, row: PlacementRow | undefined): z.infer<typeof Placement> {
  if (row === undefined) return { tenant, lives_in: 'pool', wanted: 'pool', step: 'done', steps_left: [] }
  const { lives_in, wanted, step, fenced_ms, error } = row
  return {
    tenant,
    lives_in,
    wanted,
    step,
    steps_left: STEPS.slice(STEPS.indexOf(step) + 1),
    step_since: row.step_since.toISOString(),
    requested_at: row.requested_at.toISOString(),
    rows_copied: Number(row.rows_copied),
    ...(fenced_ms === null ? {} : { fenced_ms }),
    ...(error === null ? {} : { error }),
  }
}
