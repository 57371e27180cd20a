/**
 * What a tenant may have waiting, and how soon a job of it can begin: both judged by how fast its own jobs have been
 * admitted while some of them waited.
 */
import type { NewJob } from '../calls/job-call.ts'
import type { Db } from '../database/database.ts'
import { Failure } from '../failures.ts'
import { MOST_WAITING } from '../plans/most-waiting.ts'
import type { Tier } from '../plans/tiers.ts'

/** Tenants are judged by so many seconds of their past; `Retry-After` is never longer than an hour. */
const WINDOW_SECONDS = 60
const MAX_RETRY_SECONDS = 3600
/** Part of the limit that is to be free again when a refused caller comes back: it is not alone. */
const ROOM_TO_COME_BACK = 0.1

/**
 * Refuses a call whose job would wait beyond what the plan allows, or beyond its own deadline. What goes on from an earlier
 * call, as the stage of a composition does, is not refused: a call that was accepted would be lost half-way.
 *
 * @throws Failure BACKLOG_FULL with the seconds after which there is room; DEADLINE_EXCEEDED with the estimated wait
 */
export async function checkBacklog(db: Db, jobs: readonly NewJob[]): Promise<void> {
  const [job] = jobs
  if (job === undefined || job.call.parent !== undefined || job.call.inner === true) return
  const { tier } = job.requester
  const limit = MOST_WAITING[tier]
  if (await isFull(db, limit)) throw await backlogFull(db, tier, limit)
  for (const { call } of jobs) await checkDeadline(db, call)
}

async function checkDeadline(db: Db, { priority = 0, deadline }: NewJob['call']): Promise<void> {
  if (deadline === undefined) return
  const pace = await paceOf(db, priority)
  // At least so fast: who has just begun to wait is given the benefit of the doubt.
  const seconds = pace.ahead === 0 ? 0 : (pace.ahead * pace.seconds) / (pace.admitted + 1)
  const left = (Date.parse(deadline) - Date.now()) / 1000
  if (left <= 0 || seconds > left) throw tooLate(deadline, Math.ceil(seconds), pace.ahead)
}

/** Of a smallint. */
const LOWEST_PRIORITY = -32_768

/** Looks at no more of the backlog than its limit. */
async function isFull(db: Db, limit: number): Promise<boolean> {
  const rows = await db`
    select from jobs where admitted_at is null and status = 'queued' offset ${limit - 1} limit 1`
  return rows.length > 0
}

interface Pace {
  /** Jobs that wait, and go before one of this priority. */
  ahead: number
  /** Jobs that were admitted in the last `seconds`, throughout which others waited. */
  admitted: number
  seconds: number
}

async function paceOf(db: Db, priority: number): Promise<Pace> {
  const [pace] = await db<Pace[]>`
    with waiting as (
      select count(*) filter (where priority >= ${priority}) as ahead,
        greatest(min(created_at), now() - ${WINDOW_SECONDS} * interval '1 second') as since
      from jobs where admitted_at is null and status = 'queued'
    )
    select ahead::int, greatest(0.001, extract(epoch from clock_timestamp() - since))::float8 as seconds,
      (select count(*) from jobs where admitted_at > since and admitted_at < 'infinity')::int as admitted
    from waiting`
  return pace ?? { ahead: 0, admitted: 0, seconds: WINDOW_SECONDS }
}

async function backlogFull(db: Db, tier: Tier, limit: number): Promise<Failure> {
  const { ahead, admitted, seconds } = await paceOf(db, LOWEST_PRIORITY)
  const excess = ahead - limit + Math.max(1, Math.ceil(limit * ROOM_TO_COME_BACK))
  const wait = admitted === 0 ? WINDOW_SECONDS : (excess * seconds) / admitted
  return new Failure(
    'BACKLOG_FULL',
    `Cannot queue another job: plan "${tier}" has ${limit} waiting at most`,
    {
      suggestion: 'Wait as long as Retry-After says, cancel jobs that wait, or move to a larger plan',
      retryAfterSeconds: Math.min(MAX_RETRY_SECONDS, Math.max(1, Math.ceil(wait))),
      details: { resource: 'jobs_waiting', tier, limit, waiting: ahead },
    },
  )
}

function tooLate(deadline: string, seconds: number, ahead: number): Failure {
  return new Failure(
    'DEADLINE_EXCEEDED',
    `Cannot begin by "${deadline}": ${ahead} jobs of yours are ahead, for about ${seconds} seconds`,
    {
      suggestion: 'Allow more time, raise the priority, or cancel jobs that wait',
      retryAfterSeconds: Math.max(1, seconds),
      details: { estimated_wait_seconds: seconds, jobs_ahead: ahead },
    },
  )
}
