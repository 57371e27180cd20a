/** What a call leaves behind, written in one statement: its mark, its events, its ledger entries. */
import type { PendingQuery, Row } from 'postgres'
import type { Db } from '../database/database.ts'
import type { InvocationData } from '../events/agentese-events.ts'
import { createEvent, type KgentsEvent } from '../events/event.ts'
import { agenteseSubject, eventSubject, tokensSubject } from '../events/streams.ts'
import type { AspectFacts } from '../contract/function.ts'

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

/** More rows than this are sent as one JSON text: a list of values is quicker, but each length is a statement of its own. */
const MAX_VALUES = 8

type Fragment = PendingQuery<Row[]>

/** How the rows of one table are written. */
interface Table<T> {
  insert(db: Db): Fragment
  /** All columns of `insert`, from a set of rows that JSON was read into. */
  populate(db: Db, rows: readonly T[]): Fragment
  values(db: Db, row: T): Fragment
  end(db: Db): Fragment
}

const MARKS: Table<Mark> = {
  insert: (db) => db`insert into marks (
    id, tenant_id, path, node, category, outcome, code, user_id, archetype, effects, charges, job_id, trace_id, duration_ms, at)`,
  populate: (db, rows) => db`
    select id, tenant_id, path, node, category, outcome, code, user_id, archetype, effects, charges, job_id, trace_id,
      duration_ms, at
    from jsonb_populate_recordset(null::marks, ${db.json(rows as never)})`,
  values: (db, mark) => db`(
    ${mark.id}, ${mark.tenant_id}, ${mark.path}, ${mark.node}, ${mark.category}, ${mark.outcome}, ${mark.code},
    ${mark.user_id}, ${mark.archetype}, ${mark.effects as string[]}, ${db.json(mark.charges)}, ${mark.job_id},
    ${mark.trace_id}, ${mark.duration_ms}, ${mark.at})`,
  end: (db) => db`on conflict do nothing`,
}

const CHARGES: Table<ChargeRow> = {
  insert: (db) => db`insert into charges (tenant_id, reservation_id, kind, resource, amount, path, at)`,
  populate: (db, rows) => db`
    select tenant_id, reservation_id, kind, resource, amount, path, at
    from jsonb_populate_recordset(null::charges, ${db.json(rows as never)})`,
  values: (db, { tenant_id, reservation_id, kind, resource, amount, path, at }) => db`(
    ${tenant_id}, ${reservation_id}, ${kind}, ${resource}, ${amount}, ${path}, ${at})`,
  end: (db) => db``,
}

const CHANGES: Table<ChangeRow> = {
  insert: (db) => db`insert into changes (id, tenant_id, target, state, path, user_id, invocation_id, at)`,
  populate: (db, rows) => db`
    select id, tenant_id, target, state, path, user_id, invocation_id, at
    from jsonb_populate_recordset(null::changes, ${db.json(rows as never)})`,
  values: (db, { id, tenant_id, target, state, path, user_id, invocation_id, at }) => db`(
    ${id}, ${tenant_id}, ${target}, ${state === null ? null : db.json(state as never)}, ${path}, ${user_id}, ${invocation_id}, ${at})`,
  end: (db) => db``,
}

const OUTBOX: Table<OutboxRow> = {
  insert: (db) => db`insert into outbox (id, tenant_id, subjects, event)`,
  populate: (db, rows) => db`
    select id, tenant_id, subjects, event from jsonb_populate_recordset(null::outbox, ${db.json(rows as never)})`,
  values: (db, { id, tenant_id, subjects, event }) => db`(${id}, ${tenant_id}, ${subjects}, ${event})`,
  end: (db) => db``,
}

/** Sends all records in one statement, whose answer the commit waits for; their tenant must be the transaction's. */
export function writeRecords(db: Db, { marks, events, charges, changes }: Records): void {
  const inserts = [
    ...insertInto(db, MARKS, marks),
    ...insertInto(db, CHARGES, charges),
    ...insertInto(db, CHANGES, changes),
    ...insertInto(db, OUTBOX, events),
  ]
  const last = inserts.pop()
  if (last === undefined) return
  const others = inserts.map(
    (insert, at) => db`${at === 0 ? db`with` : db`,`} ${db(`part_${at}`)} as (${insert})`,
  )
  db.send(others.length === 0 ? last : db`${others} ${last}`)
}

/** No statement where there is no row. */
function insertInto<T>(db: Db, table: Table<T>, rows: readonly T[]): Fragment[] {
  if (rows.length === 0) return []
  if (rows.length > MAX_VALUES) return [db`${table.insert(db)} ${table.populate(db, rows)} ${table.end(db)}`]
  const values = rows.map((row, at) => (at === 0 ? table.values(db, row) : db`, ${table.values(db, row)}`))
  return [db`${table.insert(db)} values ${values} ${table.end(db)}`]
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
    tenant_id: tenant,
    reservation_id: reservation,
    at: new Date().toISOString(),
    ...rest,
  }
}
