/** Which events a mapping is for, and what travels to it. */
import { z } from 'zod'
import type { TenantEvent } from '../../../shared/events/tenant-event.ts'

/** Reports that an event came in that mappings are for. */
export const MAPPING_MATCHED = 'io.kgents.mapping.matched'

/** Mappings that one tenant may have. */
export const MAX_MAPPINGS = 20
/** Calls that the events of one request may lead to. */
export const MAX_RUNS = 200

/** The event as mappings see it: as it was sent. */
export const MappedEvent = z.looseObject({ id: z.string(), source: z.string(), type: z.string() })
export type MappedEvent = z.infer<typeof MappedEvent>

/** Whether `mapping` is for `event`: its type is the same, or begins as one that ends in `*` does. */
export function matchesEvent(
  mapping: { type: string; source: string | null },
  event: Pick<TenantEvent, 'type' | 'source'>,
): boolean {
  if (mapping.source !== null && mapping.source !== event.source) return false
  return mapping.type.endsWith('*')
    ? event.type.startsWith(mapping.type.slice(0, -1))
    : event.type === mapping.type
}
