/** The events of the system bus: those that the platform makes itself, and those that functions of a catalog take besides. */
import { z } from 'zod'
import type { FunctionFacts, TriggerFacts } from '../../../shared/contract/facts.ts'
import {
  PATH_EVENTS,
  STATE_EVENTS,
  SYSTEM_EVENTS,
  type EventType,
} from '../../../shared/events/event-types.ts'

/** Events that functions consume and the platform does not publish itself are described by their consumers. */
export function systemEventsOf(catalog: readonly FunctionFacts[]): Record<string, EventType> {
  const triggers = catalog.flatMap((definition) => definition.triggers)
  const others = Object.groupBy(
    triggers.filter(
      ({ attributes: { type = '' } }) =>
        type !== '' && !(type in SYSTEM_EVENTS) && !(type in PATH_EVENTS) && !(type in STATE_EVENTS),
    ),
    ({ attributes: { type = '' } }) => type,
  )
  const described = Object.entries(others).map(([type, takers = []]) => [type, describe(takers)])
  return { ...SYSTEM_EVENTS, ...Object.fromEntries(described) }
}

/** Each consumer requires something of an event's data; the event has to fit them all. */
function describe(takers: readonly TriggerFacts[]): EventType {
  const [first, ...others] = new Set(takers.map(({ data }) => data))
  const data = others.reduce((all, each) => all.and(each), first ?? z.unknown())
  return { summary: `Taken as ${takers.map(({ name }) => `"${name}"`).join(', ')}`, data }
}
