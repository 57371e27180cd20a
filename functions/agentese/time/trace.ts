/** `time.trace`: what was done, from the marks that every call leaves: who did what to which path, never the content. */
import { z } from 'zod'
import { readableMarks } from '../../../shared/contract/visibility.ts'
import type { Call } from '../../../shared/contract/call.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { Instant } from '../../../shared/instant.ts'
import { NextCursor, orderBy, type Page } from '../../../shared/contract/pages.ts'
import { context, crystallize, crystals } from './trace/crystal-aspects.ts'
import { crystalTick, crystalTriggers } from './trace/crystal-events.ts'

const Trace = z.strictObject({
  mark: z.uuid(),
  path: z.string(),
  category: z.string(),
  outcome: z.enum(['success', 'failure', 'refusal']),
  code: z.string().nullable(),
  archetype: z.string(),
  user: z.string().nullable(),
  charges: z.record(z.string(), z.number()),
  job: z.string().nullable(),
  trace_id: z.string(),
  duration_ms: z.number(),
  at: z.string(),
})
type Trace = z.infer<typeof Trace>

interface MarkRow {
  id: string
  path: string
  category: string
  outcome: Trace['outcome']
  code: string | null
  archetype: string
  user_id: string | null
  charges: Record<string, number>
  job_id: string | null
  trace_id: string
  duration_ms: number
  at: Date
}

const Limit = z.int().min(1).max(100).default(10)
/** Part of a path: `void.entropy`, or just `sip`. */
const Topic = z.string().min(1).max(200)

/** What marks are looked for; null is any. */
const NEWEST_FIRST = orderBy({ at: 'timestamptz', id: 'uuid' }, 'desc')

interface Wanted {
  topic: string | null
  path: string | null
  outcome: string | null
  traceId: string | null
  from: string | null
  to: string | null
  cursor?: string | undefined
  limit: number
}

const ANY: Omit<Wanted, 'limit'> = {
  topic: null,
  path: null,
  outcome: null,
  traceId: null,
  from: null,
  to: null,
}

export const timeTrace = defineNode('time.trace', {
  summary: 'The record of every call: what was done, by whom, and how it went',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'How far back the record goes, and what is to come',
      effects: ['reads:trace', 'reads:schedule'],
      input: NoInput,
      output: z.strictObject({
        type: z.literal('temporal'),
        trace_count: z.int(),
        scheduled_count: z.int(),
        earliest_trace: z.string().nullable(),
        latest_trace: z.string().nullable(),
        next_scheduled: z.string().nullable(),
        horizon: z.string().nullable(),
      }),
      examples: [{ summary: 'Look at the record', input: {} }],
      async handle(_input, { db, identity }) {
        const readable = readableMarks(db, identity)
        const [row] = await db<Overview[]>`
          select (select count(*)::int from marks where ${readable}) as trace_count,
                 (select min(at) from marks where ${readable}) as earliest,
                 (select max(at) from marks where ${readable}) as latest,
                 count(*)::int as scheduled_count, min(due_at) as next, max(due_at) as horizon
          from schedules where status = 'pending' and user_id = ${identity.user}`
        return {
          type: 'temporal' as const,
          trace_count: row?.trace_count ?? 0,
          scheduled_count: row?.scheduled_count ?? 0,
          earliest_trace: row?.earliest?.toISOString() ?? null,
          latest_trace: row?.latest?.toISOString() ?? null,
          next_scheduled: row?.next?.toISOString() ?? null,
          horizon: row?.horizon?.toISOString() ?? null,
        }
      },
    }),

    witness: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'The latest calls, newest last',
      effects: ['reads:trace'],
      input: z.strictObject({ topic: Topic.optional(), limit: Limit }),
      output: z.strictObject({
        topic: z.string().nullable(),
        traces: z.array(Trace),
        total: z.int(),
        source: z.literal('marks'),
      }),
      examples: [{ summary: 'The last sips', input: { topic: 'void.entropy', limit: 5 } }],
      async handle({ topic = null, limit }, call) {
        const { page } = await readMarks(call, { ...ANY, topic, limit })
        const traces = page.map(describe).toReversed()
        return { topic, traces, total: traces.length, source: 'marks' as const }
      },
    }),

    query: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Calls by path, outcome, trace and time, newest first',
      effects: ['reads:trace'],
      input: z.strictObject({
        query: Topic.optional(),
        path: z.string().max(200).optional(),
        status: z.enum(['success', 'failure', 'refusal']).optional(),
        trace_id: z.string().max(64).optional(),
        start_time: Instant.optional(),
        end_time: Instant.optional(),
        limit: Limit,
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({
        results: z.array(Trace),
        count: z.int(),
        next_cursor: NextCursor,
      }),
      examples: [{ summary: 'What failed', input: { status: 'failure' } }],
      async handle(input, call) {
        const { page, next_cursor } = await readMarks(call, {
          topic: input.query ?? null,
          path: input.path ?? null,
          outcome: input.status ?? null,
          traceId: input.trace_id ?? null,
          from: input.start_time ?? null,
          to: input.end_time ?? null,
          cursor: input.cursor,
          limit: input.limit,
        })
        return { results: page.map(describe), count: page.length, next_cursor }
      },
    }),

    replay: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'A slice of the record in the order in which it happened; nothing is run again',
      effects: ['reads:trace'],
      input: z.strictObject({ start: Instant, end: Instant, limit: z.int().min(1).max(1000).default(100) }),
      output: z.strictObject({ traces: z.array(Trace), count: z.int(), truncated: z.boolean() }),
      examples: [{ summary: 'A day', input: { start: '2026-01-01T00:00:00Z', end: '2026-01-02T00:00:00Z' } }],
      async handle({ start, end, limit }, { db, identity }) {
        const rows = await db<MarkRow[]>`
          select * from marks
          where at >= ${start} and at < ${end} and ${readableMarks(db, identity)}
          order by at, id limit ${limit + 1}`
        const traces = rows.slice(0, limit).map(describe)
        return { traces, count: traces.length, truncated: rows.length > limit }
      },
    }),

    crystals,
    context,
    crystallize,
  },

  tick: crystalTick,
  triggers: crystalTriggers,
})

interface Overview {
  trace_count: number
  scheduled_count: number
  earliest: Date | null
  latest: Date | null
  next: Date | null
  horizon: Date | null
}

/** Newest first, and the cursor of the next page. */
async function readMarks(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  wanted: Wanted,
): Promise<Page<MarkRow>> {
  const { topic, path, outcome, traceId, from, to, ...bounds } = wanted
  const marks = db<MarkRow[]>`
    select * from marks
    where ${readableMarks(db, identity)}
      and (${topic}::text is null or strpos(path, ${topic}::text) > 0)
      and (${path}::text is null or path = ${path})
      and (${outcome}::text is null or outcome = ${outcome})
      and (${traceId}::text is null or trace_id = ${traceId})
      and (${from}::timestamptz is null or at >= ${from})
      and (${to}::timestamptz is null or at < ${to})`
  return NEWEST_FIRST.readPage(db, marks, bounds)
}

function describe(row: MarkRow): Trace {
  return {
    mark: row.id,
    path: row.path,
    category: row.category,
    outcome: row.outcome,
    code: row.code,
    archetype: row.archetype,
    user: row.user_id,
    charges: row.charges,
    job: row.job_id,
    trace_id: row.trace_id,
    duration_ms: row.duration_ms,
    at: row.at.toISOString(),
  }
}
