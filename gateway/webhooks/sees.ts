/** Which events a subscription is told of, of those that its consumer holds. */
import { catalog } from '../../functions/catalog.ts'
import { hasAffordance } from '../../shared/agentese/affordances.ts'
import { findAspect } from '../../shared/contract/find-aspect.ts'
import type { KgentsEvent } from '../../shared/events/event.ts'
import { tenantSource } from '../../shared/events/tenant-event.ts'
import type { SinkMetadata } from '../../shared/events/webhook.ts'

const ON_PATHS = 'io.kgents.agentese.'
/** Everybody may look at a holon, and so learn of its state. */
const STATE = 'state'
const OWN = tenantSource('')

/**
 * Whether `sink` is told of `event`: of one of its own tenant, and either of a kind that it wants on a path whose verb its
 * maker has, or one that the tenant's own systems sent. Other events of the platform are nobody's but its own.
 */
export function sees(sink: SinkMetadata, event: KgentsEvent): boolean {
  if (event.tenantid !== sink.tenant) return false
  if (!event.type.startsWith(ON_PATHS)) return event.source.startsWith(OWN)
  const kinds = sink.kinds === '' ? [] : sink.kinds.split(',')
  if (kinds.length > 0 && !kinds.includes(event.type.slice(ON_PATHS.length))) return false
  return hasVerb(sink.archetype, event.subject ?? '')
}

function hasVerb(archetype: string, path: string): boolean {
  const verb = path.split('.')[2] ?? ''
  if (verb === STATE) return true
  const aspect = findAspect(catalog, path)?.endpoint.aspect
  return aspect !== undefined && hasAffordance({ archetype, capabilities: [] }, aspect.node, verb)
}
