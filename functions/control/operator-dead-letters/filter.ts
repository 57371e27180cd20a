/** Which dead letters of all tenants are meant. */
import { z } from 'zod'
import * as own from '../dead-letters/filter.ts'

const OfTenant = { tenant: z.uuid().optional() }

export const Filter = own.Filter.extend(OfTenant)
export type Filter = z.infer<typeof Filter>

export const Chosen = own.Chosen.extend(OfTenant)
export type Chosen = z.infer<typeof Chosen>

const NARROWING = ['tenant', ...own.NARROWING] as const

export const isNarrow = own.narrowedBy(NARROWING)

/** As the functions of the database take it. */
export function filterOf(chosen: Chosen): Record<string, unknown> {
  return Object.fromEntries(
    NARROWING.map((name) => [name, chosen[name]]).filter(([, value]) => value !== undefined),
  )
}
