/** What a call leaves behind, written in one statement: its mark, its events, its ledger entries. */
import { agenteseSubject, eventSubject, tokensSubject } from '../nats/subjects.ts'
import type { Db } from '../database/database.ts'
import type { InvocationData } from '../events/agentese-events.ts'
import { createEvent, type KgentsEvent } from '../events/event.ts'
import type { AspectFacts } from '../contract/facts.ts'
import { newId } from '../new-id.ts'

/** A row of `marks`. */
export interface Mark {
  id: string
  tenant_id: string
  path: string
  /** `context.holon` of the path. */
  node: string
  category: string
  outcome: 'success' | 'failure' | 'refusal'
  code: string | null
  user_id: string
  archetype: string
  effects: readonly string[]
  charges: Record<string, number>
  job_id: string | null
  trace_id: string
  duration_ms: number
  at: string
}

/** A row of `outbox`. */
export interface OutboxRow {
  id: string
  tenant_id: string
  subjects: string[]
  event: string
}

/** A row of `charges`. */
export interface ChargeRow {
  id: string
  tenant_id: string
  reservation_id: string
  kind: 'reserved' | 'settled' | 'refunded'
  resource: string
  amount: number
  path: string
  at: string
}

/** A row of `changes`. */
export interface ChangeRow {
  id: string
  tenant_id: string
  target: string
  state: Record<string, unknown> | null
  path: string
  user_id: string
  invocation_id: string
  at: string
}

export interface Records {
  marks: Mark[]
  events: OutboxRow[]
  charges: ChargeRow[]
  changes: ChangeRow[]
}

/** Writes all records in one statement; their tenant must be the transaction's. Nothing is sent before it is awaited. */
export function writeRecords(db: Db, { marks, events, charges, changes }: Records) {
  return db`
    with written_marks as (
      insert into marks select * from jsonb_populate_recordset(null::marks, ${db.json(marks as never)})
      on conflict (id) do nothing
    ), written_charges as (
      insert into charges select * from jsonb_populate_recordset(null::charges, ${db.json(charges as never)})
    )${changes.length === 0 ? db`` : insertChanges(db, changes)}
    insert into outbox (id, tenant_id, subjects, event)
    select id, tenant_id, subjects, event
    from jsonb_populate_recordset(null::outbox, ${db.json(events as never)})`
}

function insertChanges(db: Db, changes: ChangeRow[]) {
  return db`, written_changes as (
    insert into changes select * from jsonb_populate_recordset(null::changes, ${db.json(changes as never)})
  )`
}

/** An event as the outbox row that takes it to its subjects. */
export function toOutbox(event: KgentsEvent, closes?: string): OutboxRow {
  const subjects = [subjectOf(event)]
  if (closes !== undefined) subjects.push(tokensSubject(event.tenantid, closes))
  return { id: event.id, tenant_id: event.tenantid, subjects, event: JSON.stringify(event) }
}

/** Events about a path go by the path, all others by their type. */
function subjectOf(event: KgentsEvent): string {
  return event.type.startsWith('io.kgents.agentese.') && event.subject !== undefined
    ? agenteseSubject(event.tenantid, event.subject)
    : eventSubject(event.tenantid, event.type)
}

/** What happened in one invocation of an aspect. */
export interface Happening {
  /** Of the mark: one for each invocation, however often somebody tries to write it. */
  id: string
  aspect: Pick<AspectFacts, 'path' | 'category' | 'effects'>
  function: string
  tenant: string
  user: string
  archetype: string
  outcome: Mark['outcome']
  code?: string
  charges: Record<string, number>
  job?: string
  traceId: string
  traceparent: string
  startedAt: number
}

const EVENT_OF = { success: 'invoked', failure: 'failed', refusal: 'refused' } as const

/** The mark of an invocation, and the event that tells of it. */
export function markOf(happening: Happening, eventKey: string): { mark: Mark; event: OutboxRow } {
  const { aspect, outcome, code, charges, job } = happening
  const mark: Mark = {
    id: happening.id,
    tenant_id: happening.tenant,
    path: aspect.path,
    node: aspect.path.slice(0, aspect.path.lastIndexOf('.')),
    category: aspect.category,
    outcome,
    code: code ?? null,
    user_id: happening.user,
    archetype: happening.archetype,
    effects: aspect.effects,
    charges,
    job_id: job ?? null,
    trace_id: happening.traceId,
    duration_ms: Date.now() - happening.startedAt,
    at: new Date().toISOString(),
  }
  const data: InvocationData = {
    mark: mark.id,
    path: aspect.path,
    category: aspect.category,
    effects: [...aspect.effects],
    user: happening.user,
    archetype: happening.archetype,
    charges,
    duration_ms: mark.duration_ms,
    ...(code === undefined ? {} : { code }),
    ...(job === undefined ? {} : { job }),
  }
  const event = createEvent(
    {
      source: `/functions/${happening.function}`,
      type: `io.kgents.agentese.${EVENT_OF[outcome]}`,
      tenant: happening.tenant,
      subject: aspect.path,
      traceparent: happening.traceparent,
      data,
    },
    eventKey,
  )
  return { mark, event: toOutbox(event) }
}

/** Ledger rows for what a call used up at once, without a reservation before. */
export function settledCharges(
  tenant: string,
  reservation: string,
  path: string,
  charges: Record<string, number>,
): ChargeRow[] {
  return Object.entries(charges).map(([resource, amount]) =>
    chargeRow({ tenant, reservation, path, kind: 'settled', resource, amount }),
  )
}

export function chargeRow(entry: {
  tenant: string
  reservation: string
  path: string
  kind: ChargeRow['kind']
  resource: string
  amount: number
}): ChargeRow {
  const { tenant, reservation, ...rest } = entry
  return {
    id: newId(),
    tenant_id: tenant,
    reservation_id: reservation,
    at: new Date().toISOString(),
    ...rest,
  }
}
