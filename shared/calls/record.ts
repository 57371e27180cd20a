/** What a call leaves behind, written in one statement: its mark, its events, its ledger entries. */
import { agenteseSubject, eventSubject, tokensSubject } from '../nats/subjects.ts'
import type { Db } from '../database/database.ts'
import type { InvocationData } from '../events/agentese-events.ts'
import { createEvent, messageIdOf, type KgentsEvent } from '../events/event.ts'
import type { AspectFacts } from '../contract/facts.ts'
import { isOurDoing } from '../failures.ts'
import type { Identity } from '../identity/identity.ts'
import { NOBODY } from '../identity/nobody.ts'
import type { TokenUsage } from '../inference/messages.ts'
import type { Tier } from '../plans/tiers.ts'

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
  key_id: string | null
  /** Of the job that it stands for. */
  model: string | null
  gpu_seconds: number | null
  /** Requests of callers that it stands for. */
  api_calls: 0 | 1
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
  user_id: string | null
  key_id: string | null
  model: string | null
  tokens_in: number | null
  tokens_out: number | null
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

/** The columns of each table; a row has a member for each. */
const COLUMNS = {
  marks:
    'id tenant_id path node category outcome code user_id archetype effects charges job_id trace_id duration_ms at key_id model gpu_seconds api_calls'.split(
      ' ',
    ) as (keyof Mark)[],
  charges:
    'tenant_id reservation_id kind resource amount path at user_id key_id model tokens_in tokens_out'.split(
      ' ',
    ) as (keyof ChargeRow)[],
  changes: 'id tenant_id target state path user_id invocation_id at'.split(' ') as (keyof ChangeRow)[],
  outbox: 'id tenant_id subjects event'.split(' ') as (keyof OutboxRow)[],
}
type Table = keyof typeof COLUMNS

/** More rows than this are sent as one JSON text: a list of values is quicker, but each length is a statement of its own. */
const MAX_VALUES = 8

/**
 * Sends all records in one statement, whose answer the commit waits for; their tenant must be the transaction's. A mark
 * that is there already stays as it is.
 */
export function writeRecords(db: Db, { marks, events, charges, changes }: Records): void {
  const rows: Record<Table, readonly object[]> = { marks, charges, changes, outbox: events }
  const tables = (Object.keys(COLUMNS) as Table[]).filter((table) => rows[table].length > 0)
  if (tables.length === 0) return
  const text = statementOf(
    tables,
    tables.map((table) => rows[table].length),
  )
  const parameters = tables.flatMap((table) => parametersOf(table, rows[table]))
  // As text with parameters, since the driver takes longer to put a template together than to send it.
  db.send(db.unsafe(text, parameters as never[], { prepare: true })) // reason: COLUMNS lists what the driver can write
}

function parametersOf(table: Table, rows: readonly object[]): unknown[] {
  if (rows.length > MAX_VALUES) return [rows]
  return rows.flatMap((row) =>
    COLUMNS[table].map((column) => (row as Record<string, unknown>)[column] ?? null),
  )
}

const statements = new Map<string, string>()

/** The statement that inserts so many rows into each of `tables`; all but the last are parts of a `with`. */
function statementOf(tables: readonly Table[], counts: readonly number[]): string {
  const name = tables.map((table, at) => `${table} ${Math.min(counts[at] ?? 0, MAX_VALUES + 1)}`).join()
  const known = statements.get(name)
  if (known !== undefined) return known
  let parameters = 0
  const inserts = tables.map((table, at) => {
    const count = counts[at] ?? 0
    const text = insertOf(table, count, parameters)
    parameters += count > MAX_VALUES ? 1 : count * COLUMNS[table].length
    return text
  })
  const last = inserts.pop() ?? ''
  const others = inserts.map((insert, at) => `part_${at} as (${insert})`)
  const statement = others.length === 0 ? last : `with ${others.join(', ')} ${last}`
  statements.set(name, statement)
  return statement
}

/** @param before parameters that stand before those of this table */
function insertOf(table: Table, count: number, before: number): string {
  const columns = COLUMNS[table]
  const names = columns.join(', ')
  const once = table === 'marks' ? ' on conflict do nothing' : ''
  if (count > MAX_VALUES) {
    const rows = `jsonb_populate_recordset(null::${table}, $${before + 1}::jsonb)`
    return `insert into ${table} (${names}) select ${names} from ${rows}${once}`
  }
  const rowOf = (row: number) =>
    columns.map((_, at) => `$${before + row * columns.length + at + 1}`).join(', ')
  const rows = Array.from({ length: count }, (_, row) => `(${rowOf(row)})`)
  return `insert into ${table} (${names}) values ${rows.join(', ')}${once}`
}

/** An event as the outbox row that takes it to its subjects. */
export function toOutbox(event: KgentsEvent, closes?: string): OutboxRow {
  const subjects = [subjectOf(event)]
  if (closes !== undefined) subjects.push(tokensSubject(event.tenantid, closes))
  return { id: messageIdOf(event), tenant_id: event.tenantid, subjects, event: JSON.stringify(event) }
}

/** Events about a path go by the path, all others by their type. */
function subjectOf(event: KgentsEvent): string {
  return event.type.startsWith('io.kgents.agentese.') && event.subject !== undefined
    ? agenteseSubject(event.tenantid, event.subject)
    : eventSubject(event.tenantid, event.type)
}

/** What happened in one invocation of an aspect. */
export interface CallOutcome {
  /** Of the mark: one for each invocation, however often somebody tries to write it. */
  id: string
  aspect: Pick<AspectFacts, 'path' | 'category' | 'effects'>
  function: string
  tenant: string
  tier: Tier
  user: string
  /** The API key that was used. */
  key?: string | undefined
  archetype: string
  outcome: Mark['outcome']
  code?: string
  charges: Record<string, number>
  job?: string
  traceId: string
  traceparent: string
  startedAt: number
  endedAt: number
  /** Of a job. */
  model?: string | undefined
  gpuSeconds?: number | undefined
  /** Whether no request of a caller stands behind it: a later stage of a composition, or a call that the platform makes by itself. */
  inner?: boolean | undefined
}

const EVENT_OF = { success: 'invoked', failure: 'failed', refusal: 'refused' } as const

/** The mark of an invocation, and the event that reports it. */
export function markOf(call: CallOutcome, eventKey: string): { mark: Mark; event: OutboxRow } {
  const { aspect, outcome, code, charges, job } = call
  const at = new Date(call.endedAt).toISOString()
  const mark: Mark = {
    id: call.id,
    tenant_id: call.tenant,
    path: aspect.path,
    node: aspect.path.slice(0, aspect.path.lastIndexOf('.')),
    category: aspect.category,
    outcome,
    code: code ?? null,
    user_id: call.user,
    archetype: call.archetype,
    effects: aspect.effects,
    charges,
    job_id: job ?? null,
    trace_id: call.traceId,
    duration_ms: call.endedAt - call.startedAt,
    at,
    key_id: call.key ?? null,
    model: call.model ?? null,
    gpu_seconds: call.gpuSeconds ?? null,
    api_calls: call.inner === true || (code !== undefined && isOurDoing(code)) ? 0 : 1,
  }
  const data: InvocationData = {
    mark: mark.id,
    path: aspect.path,
    category: aspect.category,
    effects: [...aspect.effects],
    user: call.user,
    tier: call.tier,
    archetype: call.archetype,
    charges,
    duration_ms: mark.duration_ms,
    ...(code === undefined ? {} : { code }),
    ...(job === undefined ? {} : { job }),
  }
  const event = createEvent(
    {
      source: `/functions/${call.function}`,
      type: `io.kgents.agentese.${EVENT_OF[outcome]}`,
      tenant: call.tenant,
      subject: aspect.path,
      traceparent: call.traceparent,
      time: at,
      data,
    },
    eventKey,
  )
  return { mark, event: toOutbox(event) }
}

/** Who used what is charged, and which model did it; what is not known is absent. */
export interface ChargedFor {
  user?: string | undefined
  key?: string | undefined
  model?: string | undefined
  tokens?: TokenUsage | undefined
}

export function chargedFor({ user, key }: Pick<Identity, 'user' | 'key'>): ChargedFor {
  return { ...(user === NOBODY ? {} : { user }), key: key?.id }
}

/** Ledger rows for what a call used up at once, without a reservation before. */
export function settledCharges(
  tenant: string,
  reservation: string,
  path: string,
  charges: Record<string, number>,
  by: ChargedFor = {},
): ChargeRow[] {
  return Object.entries(charges).map(([resource, amount]) =>
    chargeRow({ tenant, reservation, path, kind: 'settled', resource, amount }, by),
  )
}

export function chargeRow(
  entry: {
    tenant: string
    reservation: string
    path: string
    kind: ChargeRow['kind']
    resource: string
    amount: number
  },
  { user, key, model, tokens }: ChargedFor = {},
): ChargeRow {
  const { tenant, reservation, ...rest } = entry
  const counted = rest.resource === 'tokens' ? tokens : undefined
  return {
    tenant_id: tenant,
    reservation_id: reservation,
    at: new Date().toISOString(),
    ...rest,
    user_id: user ?? null,
    key_id: key ?? null,
    model: model ?? null,
    tokens_in: counted?.prompt ?? null,
    tokens_out: counted?.completion ?? null,
  }
}
