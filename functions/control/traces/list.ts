/** Traces in a list: each once, by the first of its calls that fits what is looked for. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { cutPage, orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import type { ListedTrace, WantedTraces } from '../../../shared/traces/trace-store.ts'
import { centsOf } from './price.ts'
import { fromStore } from './stores.ts'

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

export const NEWEST_FIRST = orderBy({ at: 'timestamptz', id: 'uuid' }, 'desc')

/** Traces of the caller's tenant, from the store that there is. */
export async function listTraces(
  { limit, cursor, ...wanted }: WantedTraces & Bounds,
  call: Pick<Call, 'db' | 'identity' | 'traceStore' | 'log'>,
) {
  const [at, id] = NEWEST_FIRST.placeOf(cursor) ?? []
  const after = at === undefined || id === undefined ? undefined : { at, id }
  const rows = await fromStore(call, (store) => store.list(wanted, { limit, after }, call.identity))
  const { page, next_cursor } = cutPage<ListedTrace>(rows, limit)
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
}: ListedTrace): z.infer<typeof Trace> {
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
