/** Which events a subscription receives, of those that its consumer holds. */
import { catalog } from '../../functions/catalog.ts'
import { isAdministrative } from '../../shared/agentese/observer.ts'
import { createVisibility, mayReceive } from '../../shared/contract/visibility.ts'
import { isDeliverable, isReserved, type KgentsEvent } from '../../shared/events/event.ts'
import type { SinkMetadata } from '../../shared/events/webhook.ts'

const ON_PATHS = 'io.kgents.agentese.'
/** What happened to a person's own conversation. */
function isOwn({ user }: SinkMetadata, { type, data }: KgentsEvent): boolean {
  return type.startsWith('io.kgents.session.') && (data as { user?: unknown } | undefined)?.user === user
}

const visibility = createVisibility(catalog)

/**
 * Whether `sink` receives `event`: one of its own tenant, and either of a kind that it wants on a path whose verb its
 * maker has, or one that the tenant's own systems sent. A person's own state is delivered to that person alone, and what
 * happens to the tenant's people to an admin's. Other events of the platform are nobody's but its own.
 */
export function isSubscribed(sink: SinkMetadata, event: KgentsEvent): boolean {
  if (event.tenantid !== sink.tenant) return false
  if (!event.type.startsWith(ON_PATHS)) {
    if (!isReserved(event.type)) return true
    return isDeliverable(event.type) && (isAdministrative(sink.archetype) || isOwn(sink, event))
  }
  const kind = event.type.slice(ON_PATHS.length)
  const kinds = sink.kinds === '' ? [] : sink.kinds.split(',')
  if (kinds.length > 0 && !kinds.includes(kind)) return false
  const path = event.subject ?? ''
  return mayReceive(sink.user, path, event.data) && visibility.sees(sink.archetype, path)
}
