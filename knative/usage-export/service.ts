/** The metering services that usage can be exported to: where each takes events, in which form, and what it says of them. */
import { z } from 'zod'
import { NOBODY } from '../../shared/identity/nobody.ts'

/** A row of `usage_exports`. */
export interface UsageEvent {
  seq: string
  id: string
  tenant_id: string
  /** The beginning of the quarter of an hour in which it was used. */
  at: Date
  meter: string
  path: string
  model: string
  person: string
  key: string
  quantity: string
}

/** Why a service will never take an event; `known` where it has it already. */
export type Fault = { known: true } | { known: false; reason: string }

export interface Service {
  name: 'openmeter' | 'lago'
  path: string
  contentType: string
  /** Events of one request. */
  most: number
  write(events: readonly UsageEvent[]): string
  /** The events of a request that was refused for them, by their places; empty where the answer does not say. */
  faultsIn(body: string): ReadonlyMap<number, Fault>
}

/** What the amount was used for; what is not known is absent. */
function dataOf({ path, model, person, key, quantity }: UsageEvent): Record<string, unknown> {
  return {
    quantity: Number(quantity),
    ...(path === '' ? {} : { path }),
    ...(model === '' ? {} : { model }),
    ...(person === NOBODY ? {} : { person }),
    ...(key === NOBODY ? {} : { key }),
  }
}

/** The part of the platform that a meter belongs to. */
function sourceOf(meter: string): string {
  if (meter.startsWith('storage')) return 'storage'
  if (meter.startsWith('session')) return 'kgent'
  return meter.endsWith('_seconds') ? 'compute' : 'agentese'
}

/** CloudEvents in a batch; what it has already, by source and id, it drops. */
export const OPENMETER: Service = {
  name: 'openmeter',
  path: '/api/v1/events',
  contentType: 'application/cloudevents-batch+json',
  most: 100,
  write: (events) =>
    JSON.stringify(
      events.map((event) => ({
        specversion: '1.0',
        id: event.id,
        source: sourceOf(event.meter),
        type: `io.kgents.usage.${event.meter}`,
        subject: event.tenant_id,
        time: event.at.toISOString(),
        data: dataOf(event),
      })),
    ),
  faultsIn: () => new Map(),
}

const LagoRefusal = z.object({ error_details: z.record(z.string(), z.record(z.string(), z.unknown())) })

/** A tenant's subscription has the id of the tenant. A request is taken as a whole or not at all. */
export const LAGO: Service = {
  name: 'lago',
  path: '/api/v1/events/batch',
  contentType: 'application/json',
  most: 100,
  write: (events) =>
    JSON.stringify({
      events: events.map((event) => ({
        transaction_id: event.id,
        external_subscription_id: event.tenant_id,
        code: event.meter,
        timestamp: Math.floor(event.at.getTime() / 1000),
        properties: dataOf(event),
      })),
    }),
  faultsIn(body) {
    const { data } = LagoRefusal.safeParse(parse(body))
    const places = Object.entries(data?.error_details ?? {}).filter(([place]) => /^\d{1,3}$/.test(place))
    return new Map(places.map(([place, details]) => [Number(place), faultOf(details)]))
  },
}

function faultOf(details: Record<string, unknown>): Fault {
  const reason = JSON.stringify(details)
  const isKnown = Object.keys(details).join() === 'transaction_id' && reason.includes('value_already_exist')
  return isKnown ? { known: true } : { known: false, reason }
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
