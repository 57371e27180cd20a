/**
 * Ends jobs that were admitted as long ago as `INFERENCE` keeps anything and are still not finished: either no worker
 * took them in all that time, or the result got lost on its way. Somebody waits for them, and a charge is reserved. So it is
 * for jobs that were cancelled and of which no worker has reported what it generated.
 */
import type { Sql } from 'postgres'
import { JOB_ATTEMPTS, STREAMS } from '../../shared/nats/streams.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { readJob, writeInferenceFailed } from './inference-failed.ts'
import { NotStored } from './outbox.ts'
import type { StreamLink } from './stream-link.ts'

const INTERVAL_MS = 600_000
const BATCH = 100
const LIFETIME_SECONDS = STREAMS.INFERENCE.maxAgeSeconds

export interface JobExpiry {
  /** Checks for such jobs now and then; notifies their function until it has ended them. */
  check(): Promise<void>
}

export function createJobExpiry(sql: Sql, link: StreamLink, log: Log): JobExpiry {
  let next = 0
  return {
    async check() {
      if (performance.now() < next) return
      const rows = await sql<{ id: string; message: string }[]>`
        select id, message from jobs where (status in ('queued', 'running') or status = 'cancelled' and charges is null)
          and admitted_at < now() - ${LIFETIME_SECONDS} * interval '1 second'
        order by admitted_at limit ${BATCH}`
      const jobs = rows.flatMap(({ message }) => readJob(message) ?? [])
      const reason = `it was not finished within ${LIFETIME_SECONDS / 3600} hours`
      const outcomes = await link.publishAll(
        jobs.map((job) => writeInferenceFailed(job, reason, JOB_ATTEMPTS)),
      )
      const error = outcomes.find((outcome) => outcome !== undefined)
      if (error !== undefined) throw new NotStored('The failure of a job was not stored', { cause: error })
      for (const { job, tenant } of jobs) log.error({ job, tenant }, 'A job has expired')
      next = performance.now() + INTERVAL_MS
    },
  }
}
