/** Takes one delivered event: checks its signature, finds who wants it, and runs that exactly once per event. */
import { withTenant, type Db } from '../database/database.ts'
import type { FunctionDefinition, Subscription } from '../contract/function.ts'
import { verifyEvent, type KgentsEvent } from '../events/event.ts'
import { Failure } from '../failures.ts'
import { readTraceparent } from '../telemetry/trace.ts'
import { createCall, nothingPending } from './create-call.ts'
import { settledCharges, writeRecords } from './record.ts'
import type { Runtime } from './runtime.ts'

/**
 * Handles `event` in one transaction with the note that it was handled, so a second delivery changes nothing.
 * An event that nobody here wants is accepted and dropped.
 *
 * @throws Failure EVENT_SYNTAX or SIGNATURE_INVALID where the event cannot be believed
 */
export async function takeEvent(event: KgentsEvent, runtime: Runtime, signal: AbortSignal): Promise<void> {
  verifyEvent(event, ...runtime.eventKeys)
  for (const definition of runtime.functions) {
    for (const subscription of definition.subscriptions) {
      if (matches(event, subscription)) await deliver(event, definition, subscription, runtime, signal)
    }
  }
}

function matches(event: KgentsEvent, { attributes }: Subscription): boolean {
  const given: Record<string, unknown> = { ...event }
  return Object.entries(attributes).every(([name, value]) => given[name] === value)
}

async function deliver(
  event: KgentsEvent,
  definition: FunctionDefinition,
  subscription: Subscription,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<void> {
  const data = subscription.data.safeParse(event.data)
  if (!data.success) {
    throw new Failure(
      'EVENT_SYNTAX',
      `Cannot read event "${event.id}": its data does not fit "${event.type}"`,
    )
  }
  const tenant = event.tenantid
  await withTenant(runtime.sql, tenant, 'write', async (db) => {
    if (!(await firstDelivery(db, tenant, `${definition.name}/${subscription.name}`, event.id))) return
    const pending = nothingPending()
    const trace = readTraceparent(event.traceparent)
    const identity = { tenant, tier: 'free', user: NOBODY, roles: [], permissions: [] } as const
    const observer = { user: NOBODY, archetype: 'system' } as const
    const parts = { runtime, function: definition, observer, db, pending, trace, deadline: { signal } }
    await subscription.handle(
      data.data,
      createCall({ ...parts, identity: { ...identity, roles: [], permissions: [] } }),
    )
    const charges = settledCharges(tenant, event.id, subscription.name, pending.charges)
    if (pending.events.length + charges.length > 0) {
      await writeRecords(db, { marks: [], events: pending.events, charges })
    }
  })
}

/** Events act for a tenant, not for a person. */
const NOBODY = '00000000-0000-0000-0000-000000000000'

async function firstDelivery(db: Db, tenant: string, consumer: string, eventId: string): Promise<boolean> {
  const rows = await db`
    insert into inbox (tenant_id, consumer, event_id) values (${tenant}, ${consumer}, ${eventId})
    on conflict do nothing returning event_id`
  return rows.length > 0
}
