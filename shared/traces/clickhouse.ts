/**
 * Marks in ClickHouse. They may be sent more than once, and are the same row each time. Every query is about one tenant, which is
 * bound as a parameter by this file and named by no caller.
 */
import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client'
import type { ListedTrace, Reader, TraceMark, TraceStore, WantedTraces } from './trace-store.ts'

const TIMEOUT_MS = 5000

/** Failures are thrown; the client would log queries with what is in them. */
const SILENT = { level: ClickHouseLogLevel.OFF } as const

const SCHEMA = `
  create table if not exists kgents_marks (
    tenant_id UUID,
    at DateTime64(6, 'UTC'),
    id UUID,
    trace_id String,
    path LowCardinality(String),
    category LowCardinality(String),
    outcome LowCardinality(String),
    code LowCardinality(Nullable(String)),
    user_id Nullable(UUID),
    archetype LowCardinality(String),
    charges Map(LowCardinality(String), Decimal(38, 12)),
    job_id Nullable(UUID),
    model LowCardinality(Nullable(String)),
    duration_ms Float32,
    kept_until DateTime('UTC'),
    index by_trace trace_id type bloom_filter granularity 1
  )
  engine = ReplacingMergeTree
  partition by toYYYYMM(at)
  order by (tenant_id, at, id)
  ttl kept_until`

/** A row of the table, as it is sent. */
export interface SentMark extends Omit<TraceMark, 'at'> {
  tenant_id: string
  at: string
  trace_id: string
  category: string
  job_id: string | null
  kept_until: string
}

export interface ClickHouse extends TraceStore {
  /** Makes the table where it is not there. */
  prepare(): Promise<void>
  /** @param token of this batch: ClickHouse passes over what it was sent before under the same one */
  insert(marks: readonly SentMark[], token: string): Promise<void>
  erase(tenants: readonly string[]): Promise<void>
  close(): Promise<void>
}

/** @param url HTTP address, with the credential and the database, such as `https://user:password@clickhouse.example:8443/kgents` */
export function openClickHouse(url: string): ClickHouse {
  const client = createClient({ url, request_timeout: TIMEOUT_MS, application: 'kgents', log: SILENT })
  return {
    list: (wanted, bounds, reader) => listTraces(client, wanted, bounds, reader),
    marksOf: (trace, most, reader) => readMarks(client, trace, most, reader),
    prepare: async () => void (await client.command({ query: SCHEMA })),
    async insert(marks, token) {
      await client.insert({
        table: 'kgents_marks',
        values: [...marks],
        format: 'JSONEachRow',
        clickhouse_settings: { insert_deduplication_token: token },
      })
    },
    async erase(tenants) {
      const query = 'delete from kgents_marks where has({tenants:Array(UUID)}, tenant_id)'
      await client.command({ query, query_params: { tenants: [...tenants] } })
    },
    close: () => client.close(),
  }
}

/** What the reader may see: of what others do on `self`, only who administers the tenant keeps the record. */
const READABLE = `tenant_id = {tenant:UUID}
  and ({sees_all:Bool} or user_id = {user:UUID} or not startsWith(path, 'self.'))`

function boundTo({ tenant, user, permissions }: Reader) {
  return { tenant, user, sees_all: permissions.includes('tenant:admin') }
}

const LIST = `
  with first as (
    select trace_id, argMin((id, path, outcome, code, duration_ms, at), (at, toString(id))) as call
    from kgents_marks final
    where ${READABLE} and duration_ms >= {min_duration_ms:Float64}
      and ({path:String} = '' or path = {path:String} or startsWith(path, concat({path:String}, '.')))
      and ({status:String} = '' or outcome = {status:String})
    group by trace_id
  )
  select toString(call.1) as id, trace_id, call.2 as path, call.3 as outcome, call.4 as code, call.5 as duration_ms,
    formatDateTime(call.6, '%Y-%m-%dT%H:%i:%S.%fZ', 'UTC') as at
  from first
  where ({start:String} = '' or call.6 >= parseDateTime64BestEffortOrZero({start:String}, 6, 'UTC'))
    and ({end:String} = '' or call.6 < parseDateTime64BestEffortOrZero({end:String}, 6, 'UTC'))
    and ({after_id:String} = ''
      or (call.6, toString(call.1)) < (parseDateTime64BestEffortOrZero({after_at:String}, 6, 'UTC'), {after_id:String}))
  order by call.6 desc, toString(call.1) desc
  limit {most:UInt32}`

const SUMS = `
  select trace_id, toUInt32(count()) as calls, sumMap(charges) as charges
  from kgents_marks final
  where ${READABLE} and has({traces:Array(String)}, trace_id)
  group by trace_id`

async function listTraces(
  client: ClickHouseClient,
  wanted: WantedTraces,
  { limit, after }: Parameters<TraceStore['list']>[1],
  reader: Reader,
) {
  const { start = '', end = '', path = '', status = '', min_duration_ms = 0 } = wanted
  const place = { after_at: after?.at ?? '', after_id: after?.id ?? '' }
  const filters = { start, end, path, status, min_duration_ms, ...place, most: limit + 1 }
  const found = await read<Omit<ListedTrace, 'at' | 'calls' | 'charges'> & { at: string }>(client, LIST, {
    ...boundTo(reader),
    ...filters,
  })
  const traces = found.map(({ trace_id }) => trace_id)
  const sums = new Map(
    (
      await read<Pick<ListedTrace, 'trace_id' | 'calls' | 'charges'>>(client, SUMS, {
        ...boundTo(reader),
        traces,
      })
    ).map((sum) => [sum.trace_id, sum]),
  )
  return found.map((row): ListedTrace & { list_place: [string, string] } => ({
    ...row,
    at: new Date(row.at),
    calls: sums.get(row.trace_id)?.calls ?? 1,
    charges: amountsOf(sums.get(row.trace_id)?.charges),
    list_place: [row.at, row.id],
  }))
}

const MARKS = `
  select id, path, outcome, code, user_id, archetype, charges, duration_ms, model,
    formatDateTime(at, '%Y-%m-%dT%H:%i:%S.%fZ', 'UTC') as moment
  from kgents_marks final
  where ${READABLE} and trace_id = {trace:String}
  order by at, toString(id)
  limit {most:UInt32}`

async function readMarks(
  client: ClickHouseClient,
  trace: string,
  most: number,
  reader: Reader,
): Promise<TraceMark[]> {
  const rows = await read<Omit<TraceMark, 'at'> & { moment: string }>(client, MARKS, {
    ...boundTo(reader),
    trace,
    most,
  })
  return rows.map(({ moment, charges, ...mark }) => ({
    ...mark,
    charges: amountsOf(charges),
    at: new Date(moment),
  }))
}

async function read<T>(
  client: ClickHouseClient,
  query: string,
  query_params: Record<string, unknown>,
): Promise<T[]> {
  const answer = await client.query({ query, query_params, format: 'JSONEachRow' })
  return answer.json<T>()
}

/** Decimals may come as texts. */
function amountsOf(charges: Record<string, number | string> = {}): Record<string, number> {
  return Object.fromEntries(Object.entries(charges).map(([resource, amount]) => [resource, Number(amount)]))
}
