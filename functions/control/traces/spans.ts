/** The spans of a trace, made of rows. A span is within the innermost call or composition that lasted as long as it did. */
import { z } from 'zod'
import { addTo, type Amounts } from '../../../shared/amount.ts'
import { TokenUsage } from '../../../shared/inference/messages.ts'
import type { TraceMark } from '../../../shared/traces/trace-store.ts'
import { centsOf, usdOf } from './price.ts'

const KINDS = ['call', 'composition', 'queue', 'worker', 'continuation'] as const

const Span = z.strictObject({
  id: z.string(),
  parent: z.string().optional().describe('The span that it is a part of'),
  kind: z.enum(KINDS).describe('queue is the wait for a worker'),
  name: z.string(),
  status: z.enum(['success', 'failure', 'refusal', 'queued', 'running']),
  code: z.string().optional(),
  started_at: z.string(),
  ended_at: z.string().optional().describe('Absent while it goes on'),
  duration_ms: z.number().optional(),
  job: z.uuid().optional(),
  person: z.uuid().optional(),
  archetype: z.string().optional(),
  charges: z.record(z.string(), z.number()).optional(),
  tokens: TokenUsage.optional(),
  model: z.string().optional(),
  cost_usd: z.number().optional().describe('Of a call that a model has answered'),
})
export type Span = z.infer<typeof Span>

export const TraceSpans = z.strictObject({
  id: z.string(),
  started_at: z.string(),
  duration_ms: z.number().describe('Until the last of it that has ended'),
  charges: z.record(z.string(), z.number()),
  cost_cents: z.number().describe('Tokens at list price'),
  cost_usd: z.number().describe('Of the models, by their prices'),
  spans: z.array(Span).describe('By their beginning; each after the one that it is a part of'),
  truncated: z.boolean().describe('Whether there is more of it than is shown'),
})
export type TraceSpans = z.infer<typeof TraceSpans>

export interface JobRow {
  id: string
  path: string
  status: 'queued' | 'running' | 'completed' | 'failed' | 'cancelled'
  user_id: string | null
  created_at: Date
  started_at: Date | null
  finished_at: Date | null
  model_seconds: number | null
  tokens: TokenUsage | null
  charges: Amounts | null
  /** Whether it is a composition, whose stages are calls. */
  composes: boolean
  /** Whether it waits for a worker, or did. */
  queues: boolean
  /** Null where no cost is kept. */
  cost_usd: number | null
  parent: string | null
}

/** A span with its times as numbers; `end` is infinite while it goes on. */
interface Timed {
  start: number
  end: number
  span: Omit<Span, 'started_at' | 'ended_at' | 'duration_ms'>
}

const STATUS = {
  queued: 'queued',
  running: 'running',
  completed: 'success',
  failed: 'failure',
  cancelled: 'failure',
} as const satisfies Record<JobRow['status'], Span['status']>

export function spansOf(
  id: string,
  marks: readonly TraceMark[],
  jobs: readonly JobRow[],
): Omit<TraceSpans, 'truncated'> {
  const marked = new Set(marks.map((mark) => mark.id))
  const jobOf = new Map(jobs.map((job) => [job.id, job]))
  // A job that has ended has the mark of its call, of the same id.
  const calls = [
    ...marks.map((mark) => ofMark(mark, jobOf.get(mark.id))),
    ...jobs.filter((job) => !marked.has(job.id)).map(ofJob),
  ].sort((a, b) => a.start - b.start || b.end - a.end)
  for (const call of calls) placeWithin(call, calls)
  const timed = calls.flatMap((call) => [call, ...phasesOf(jobOf.get(call.span.job ?? ''))])
  const charges: Amounts = {}
  for (const mark of marks) addTo(charges, mark.charges)
  const start = Math.min(...timed.map((each) => each.start))
  const last = Math.max(start, ...timed.map(({ end }) => end).filter(Number.isFinite))
  return {
    id,
    started_at: new Date(start).toISOString(),
    duration_ms: last - start,
    charges,
    cost_cents: centsOf(charges),
    cost_usd: sumOf(jobs.map(costOf)),
    spans: timed.map(toSpan),
  }
}

/** What the model's work on a job has cost; undefined where none has been done. */
function costOf({ tokens, cost_usd }: JobRow): number | undefined {
  return cost_usd ?? (tokens === null ? undefined : usdOf(tokens))
}

/** To a millionth of a dollar. */
function sumOf(costs: readonly (number | undefined)[]): number {
  return Number(costs.reduce<number>((sum, cost = 0) => sum + cost, 0).toFixed(6))
}

/** Of a job, what is said of its call. */
function ofWork(job: JobRow | undefined): Partial<Span> {
  if (job === undefined) return {}
  const cost = costOf(job)
  return {
    job: job.id,
    ...(job.parent === null ? {} : { parent: job.parent }),
    ...(job.tokens === null ? {} : { tokens: job.tokens }),
    ...(cost === undefined ? {} : { cost_usd: cost }),
  }
}

function ofMark(mark: TraceMark, job: JobRow | undefined): Timed {
  const { id, path, outcome, code, user_id, archetype, charges, at, duration_ms, model } = mark
  const end = at.getTime()
  return {
    start: end - duration_ms,
    end,
    span: {
      id,
      kind: 'call',
      name: path,
      status: outcome,
      archetype,
      charges,
      ...(code === null ? {} : { code }),
      ...(user_id === null ? {} : { person: user_id }),
      ...(model === null ? {} : { model }),
      ...ofWork(job),
    },
  }
}

function ofJob(job: JobRow): Timed {
  const { id, path, status, user_id, created_at, finished_at, composes, charges } = job
  return {
    start: created_at.getTime(),
    end: finished_at?.getTime() ?? Infinity,
    span: {
      id,
      kind: composes ? 'composition' : 'call',
      name: path,
      status: STATUS[status],
      ...ofWork(job),
      ...(status === 'cancelled' ? { code: 'CANCELLED' } : {}),
      ...(user_id === null ? {} : { person: user_id }),
      ...(charges === null ? {} : { charges }),
    },
  }
}

/** What has no parent that is known is within the shortest call that it happened in, if there is one. */
function placeWithin(call: Timed, calls: readonly Timed[]): void {
  if (call.span.parent !== undefined) return
  const around = calls
    .filter((other) => other !== call && other.start <= call.start && other.end >= call.end)
    .filter((other) => other.start < call.start || other.end > call.end)
    .sort((a, b) => a.end - a.start - (b.end - b.start))
  const [closest] = around
  if (closest !== undefined) call.span.parent = closest.span.id
}

/** The wait of a job, the work of the model on it, and what its function has made of the answer. */
function phasesOf(job: JobRow | undefined): Timed[] {
  if (job === undefined || job.composes || !job.queues) return []
  const created = job.created_at.getTime()
  const finished = job.finished_at?.getTime() ?? Infinity
  const started = job.started_at?.getTime() ?? finished
  const answered =
    job.model_seconds === null ? finished : Math.min(finished, started + job.model_seconds * 1000)
  const phase = (kind: Span['kind'], start: number, end: number): Timed => {
    const status = end === Infinity ? (kind === 'queue' ? 'queued' : 'running') : STATUS[job.status]
    const done = kind === 'queue' && end < Infinity ? 'success' : status
    return {
      start,
      end,
      span: { id: `${job.id}/${kind}`, parent: job.id, kind, name: job.path, status: done, job: job.id },
    }
  }
  return [
    phase('queue', created, started),
    ...(job.started_at === null ? [] : [phase('worker', started, answered)]),
    ...(job.model_seconds === null ? [] : [phase('continuation', answered, finished)]),
  ]
}

function toSpan({ start, end, span }: Timed): Span {
  return {
    ...span,
    started_at: new Date(start).toISOString(),
    ...(end === Infinity ? {} : { ended_at: new Date(end).toISOString(), duration_ms: end - start }),
  }
}
