/** Traces in a list: each once, by the first of its calls that fits what is looked for. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import { readableMarks } from '../../../shared/contract/visibility.ts'
import { centsOf } from './price.ts'

export const OUTCOMES = ['success', 'failure', 'refusal'] as const

export const Trace = z.strictObject({
  id: z.string(),
  path: z.string(),
  status: z.enum(OUTCOMES),
  code: z.string().optional(),
  started_at: z.string(),
  duration_ms: z.number(),
  calls: z.int().describe('Calls of the trace that you may see'),
  charges: z.record(z.string(), z.number()).describe('Of all of them'),
  cost_cents: z.number().describe('Tokens at list price'),
})

interface TraceRow {
  id: string
  trace_id: string
  path: string
  outcome: (typeof OUTCOMES)[number]
  code: string | null
  duration_ms: number
  at: Date
  calls: number
  charges: Record<string, number>
}

export const NEWEST_FIRST = orderBy({ at: 'timestamptz', id: 'uuid' }, 'desc')

interface Wanted extends Bounds {
  start?: string | undefined
  end?: string | undefined
  path?: string | undefined
  status?: string | undefined
  min_duration_ms?: number | undefined
}

export async function listTraces(wanted: Wanted, { db, identity }: Pick<Call, 'db' | 'identity'>) {
  const { start = null, end = null, path = null, status = null, min_duration_ms = 0, ...bounds } = wanted
  /** The same for the call and for those before it, which are `m` and `earlier`. */
  const fits = () => db`
    ${readableMarks(db, identity)} and duration_ms >= ${min_duration_ms}
      and (${path}::text is null or path = ${path} or starts_with(path, ${path} || '.'))
      and (${status}::text is null or outcome = ${status})`
  const rows = db<TraceRow[]>`
    select m.id, m.trace_id, m.path, m.outcome, m.code, m.duration_ms, m.at, whole.calls, whole.charges
    from (select * from marks where ${fits()}) m cross join lateral (
      select (select count(*)::int from marks where trace_id = m.trace_id and ${readableMarks(db, identity)}) as calls,
        (select coalesce(jsonb_object_agg(resource, amount), '{}') from (
          select key as resource, sum(value::numeric) as amount from marks, jsonb_each_text(charges)
          where trace_id = m.trace_id and ${readableMarks(db, identity)} group by key) sums) as charges
      ) whole
    where (${start}::timestamptz is null or m.at >= ${start}) and (${end}::timestamptz is null or m.at < ${end})
      and not exists (
        select from (select * from marks where ${fits()}) earlier
        where earlier.trace_id = m.trace_id and (earlier.at, earlier.id) < (m.at, m.id))`
  const { page, next_cursor } = await NEWEST_FIRST.readPage(db, rows, bounds)
  return { traces: page.map(describe), next_cursor }
}

function describe({
  trace_id,
  outcome,
  code,
  at,
  duration_ms,
  calls,
  path,
  charges,
}: TraceRow): z.infer<typeof Trace> {
  return {
    id: trace_id,
    path,
    status: outcome,
    ...(code === null ? {} : { code }),
    started_at: new Date(at.getTime() - duration_ms).toISOString(),
    duration_ms,
    calls,
    charges,
    cost_cents: centsOf(charges),
  }
}
