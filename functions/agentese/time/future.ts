/** `time.future`: what a tenant is likely to use, foretold from what it has used. No model is asked. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { Failure } from '../../../shared/failures.ts'
import { forecastTotal } from './future/forecast.ts'

const HOUR = 3_600_000
/** Buckets of history that a forecast looks at, at most. */
const MAX_BUCKETS = 168
/** Up to a day ahead, hours are counted; beyond it, days. */
const FINE_HORIZON_HOURS = 24
const MAX_HORIZON_HOURS = 90 * 24

const Target = z.string().regex(/^[a-z][a-z0-9_.]{0,199}$/)
const Horizon = z.string().regex(/^[1-9]\d{0,3}[hdw]$/)
const Scenario = z.strictObject({ name: z.string(), probability: z.number(), value: z.number() })

export const timeFuture = defineNode('time.future', {
  summary: 'What is likely to come, from what was',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'What can be foretold',
      effects: ['reads:trace'],
      input: NoInput,
      output: z.strictObject({
        type: z.literal('future'),
        targets: z.array(z.string()),
        horizons: z.string(),
      }),
      examples: [{ summary: 'What can you foretell?', input: {} }],
      async handle(_input, { db }) {
        const rows = await db<{ resource: string }[]>`select distinct resource from charges order by resource`
        return {
          type: 'future' as const,
          targets: ['invocations', ...rows.map(({ resource }) => resource)],
          horizons: '1h to 90d, such as 6h, 1d or 2w',
        }
      },
    }),

    /**
     * Counts use per hour (horizons up to a day) or per day, from the first use on, up to 168 complete buckets back; fits
     * a straight line by ordinary least squares; and adds up the line over the horizon. The interval is the prediction
     * interval of that sum under independent normal errors, with Student's t for the few degrees of freedom; seasons of the
     * day or week are not modelled and widen it. `confidence` is how much of the variance the line explains (R²).
     */
    forecast: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'How much of something will be used: trend, interval and three scenarios',
      effects: ['reads:trace', 'reads:charges'],
      input: z.strictObject({
        /** `invocations`, a charged resource such as `tokens`, or the beginning of a path. */
        target: Target.default('invocations'),
        horizon: Horizon.default('1d'),
      }),
      output: z.strictObject({
        target: z.string(),
        horizon: z.string(),
        method: z.literal('linear regression'),
        bucket: z.enum(['hour', 'day']),
        observations: z.int(),
        trend: z.enum(['rising', 'falling', 'flat']),
        slope_per_bucket: z.number(),
        expected: z.number(),
        interval: z.strictObject({ low: z.number(), high: z.number(), level: z.number() }),
        confidence: z.number().min(0).max(1),
        scenarios: z.array(Scenario).length(3),
      }),
      examples: [{ summary: 'Calls in the next day', input: { target: 'invocations', horizon: '1d' } }],
      async handle({ target, horizon }, call) {
        const hours = hoursOf(horizon)
        const bucket = hours <= FINE_HORIZON_HOURS ? ('hour' as const) : ('day' as const)
        const counts = await countUse(target, bucket, call)
        const ahead = Math.ceil(hours / (bucket === 'hour' ? 1 : 24))
        const { expected, low, high, ...rest } = forecastTotal(counts, ahead)
        return {
          target,
          horizon,
          method: 'linear regression' as const,
          bucket,
          observations: counts.length,
          ...rest,
          expected,
          interval: { low, high, level: 0.8 },
          scenarios: [
            { name: 'low', probability: 0.1, value: low },
            { name: 'expected', probability: 0.5, value: expected },
            { name: 'high', probability: 0.9, value: high },
          ],
        }
      },
    }),
  },
})

function hoursOf(horizon: string): number {
  const unit = { h: 1, d: 24, w: 168 }[horizon.at(-1) as 'h' | 'd' | 'w']
  const hours = Number(horizon.slice(0, -1)) * unit
  if (hours <= MAX_HORIZON_HOURS) return hours
  throw new Failure('TYPE_MISMATCH', `Cannot look ahead "${horizon}": the horizon is 90 days`, {
    suggestion: 'Ask for 90d or less',
  })
}

/** Use per complete bucket, oldest first, from the first use on; empty buckets count as none. */
async function countUse(target: string, bucket: 'hour' | 'day', { db }: Pick<Call, 'db'>): Promise<number[]> {
  const size = bucket === 'hour' ? HOUR : 24 * HOUR
  const end = Math.floor(Date.now() / size) * size
  const start = new Date(end - MAX_BUCKETS * size)
  const source = target.includes('.') || target === 'invocations' ? marksOf(target) : chargesOf(target)
  const rows = await source(db, bucket, start, new Date(end))
  const [first] = rows
  if (first === undefined) return []
  const byBucket = new Map(rows.map(({ at, used }) => [at.getTime(), used]))
  const from = first.at.getTime()
  return Array.from({ length: (end - from) / size }, (_, at) => byBucket.get(from + at * size) ?? 0)
}

type ReadUse = (
  db: Call['db'],
  bucket: string,
  start: Date,
  end: Date,
) => Promise<{ at: Date; used: number }[]>

function marksOf(target: string): ReadUse {
  const like = target === 'invocations' ? '%' : `${target.replace(/[\\%_]/g, '\\$&')}%`
  return (db, bucket, start, end) => db`
    select date_trunc(${bucket}, at, 'UTC') as at, count(*)::float8 as used from marks
    where at >= ${start} and at < ${end} and path like ${like} group by 1 order by 1`
}

function chargesOf(resource: string): ReadUse {
  return (db, bucket, start, end) => db`
    select date_trunc(${bucket}, at, 'UTC') as at, sum(amount)::float8 as used from charges
    where at >= ${start} and at < ${end} and resource = ${resource} and kind = 'settled' group by 1 order by 1`
}
