/** Takes one delivered event: checks its signature, finds who wants it, and runs that exactly once per event. */
import { deadlineOf } from '../calls/deadline.ts'
import { withTenant, type Database, type Db } from '../database/database.ts'
import type { FunctionDefinition, Trigger } from '../contract/function.ts'
import type { Need } from '../contract/needs.ts'
import { isSenderReport, verifyEvent, type KgentsEvent } from '../events/event.ts'
import { Failure } from '../failures.ts'
import { readTraceparent } from '../telemetry/trace.ts'
import { nothingPending, type CallParts } from '../calls/call-parts.ts'
import { createCall } from '../calls/create-call.ts'
import { platformIdentity } from '../calls/platform-identity.ts'
import { NOBODY } from '../identity/nobody.ts'
import { settledCharges, writeRecords } from '../calls/record.ts'
import { databaseOf, type Runtime } from '../calls/runtime.ts'

/**
 * Handles `event` in one transaction with the note that it was handled, so a second delivery changes nothing.
 * An event that nobody here wants is accepted and dropped.
 *
 * @throws Failure EVENT_SYNTAX or SIGNATURE_INVALID where the event cannot be believed
 */
export async function takeEvent(event: KgentsEvent, runtime: Runtime, signal: AbortSignal): Promise<void> {
  checkSignature(event, runtime)
  for (const definition of runtime.functions) {
    for (const trigger of definition.triggers) {
      if (matches(event, trigger)) await deliver(event, definition, trigger, runtime, signal)
    }
  }
}

/** @throws Failure EVENT_SYNTAX or SIGNATURE_INVALID where the event cannot be believed */
export function checkSignature(event: KgentsEvent, { eventKeys, webhookKeys }: Runtime): void {
  verifyEvent(event, ...(isSenderReport(event.type) ? webhookKeys : eventKeys))
}

function matches(event: KgentsEvent, { attributes }: Trigger): boolean {
  const given: Record<string, unknown> = { ...event }
  return Object.entries(attributes).every(([name, value]) => given[name] === value)
}

async function deliver(
  event: KgentsEvent,
  definition: FunctionDefinition,
  trigger: Trigger,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<void> {
  const data = trigger.data.safeParse(event.data)
  if (!data.success) {
    throw new Failure(
      'EVENT_SYNTAX',
      `Cannot read event "${event.id}": its data does not fit "${event.type}"`,
    )
  }
  const consumer = `${definition.name}/${trigger.name}`
  if (trigger.transaction === false) {
    await waitAndNote(event, consumer, databaseOf(runtime, definition), () =>
      trigger.handle(data.data, createCall(partsOf(event, definition, trigger.needs, runtime, signal))),
    )
    return
  }
  const tenant = event.tenantid
  await withTenant(databaseOf(runtime, definition), tenant, 'write', async (db) => {
    if (!(await firstDelivery(db, tenant, consumer, event.id))) return
    const pending = nothingPending()
    const parts = {
      ...partsOf(event, definition, trigger.needs, runtime, signal),
      db,
      pending,
      mayWrite: true,
    }
    await trigger.handle(data.data, createCall(parts))
    const charges = settledCharges(tenant, event.id, trigger.name, pending.charges)
    const { events, changes } = pending
    writeRecords(db, { marks: [], events, charges, changes })
  })
}

/** Runs `work` outside a transaction unless it was done before, and notes then that it is done. */
async function waitAndNote(
  { id, tenantid: tenant }: KgentsEvent,
  consumer: string,
  database: Database,
  work: () => Promise<void>,
): Promise<void> {
  const done = await withTenant(
    database,
    tenant,
    'read',
    (db) => db`select from inbox where consumer = ${consumer} and event_id = ${id}`,
  )
  if (done.length > 0) return
  await work()
  await withTenant(database, tenant, 'write', (db) => firstDelivery(db, tenant, consumer, id))
}

/** What a handler gets that acts for a tenant, and for no person in it. */
export function partsOf(
  event: Pick<KgentsEvent, 'id' | 'tenantid' | 'traceparent'>,
  definition: FunctionDefinition,
  needs: readonly Need[],
  runtime: Runtime,
  signal: AbortSignal,
): CallParts {
  return {
    id: event.id,
    runtime,
    function: definition,
    needs,
    identity: platformIdentity(event.tenantid),
    observer: { user: NOBODY, archetype: 'system', capabilities: [] },
    db: undefined,
    pending: undefined,
    mayWrite: false,
    trace: readTraceparent(event.traceparent),
    deadline: deadlineOf(signal),
  }
}

async function firstDelivery(db: Db, tenant: string, consumer: string, eventId: string): Promise<boolean> {
  const rows = await db`
    insert into inbox (tenant_id, consumer, event_id) values (${tenant}, ${consumer}, ${eventId})
    on conflict do nothing returning event_id`
  return rows.length > 0
}
