/**
 * After NATS lost its streams, what had been published into them is published again: events as far back as the
 * outbox still has them (an hour), and every job that was neither finished nor is in `INFERENCE`.
 *
 * A lost stream is detected by its age: what was published before it was created was published into
 * another. Consumers know the ids of what they have done, so too much is harmless and too little is not.
 */
import type { Sql } from 'postgres'
import { orUndefined } from '../../shared/nats/or-undefined.ts'
import type { StreamState } from '../../shared/nats/ensure-streams.ts'
import { STREAMS } from '../../shared/nats/streams.ts'
import { inferenceSubject } from '../../shared/nats/subjects.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { writeJob } from './admission/publish-jobs.ts'
import { NotStored, type Outbox } from './outbox.ts'
import type { StreamLink } from './stream-link.ts'

/** How far the clocks of PostgreSQL and NATS may be apart. */
const CLOCK_SKEW_MS = 1000

const BATCH = 5000

export interface Recovery {
  /** Repeats what was lost with streams that are others than before; resolves with whether that was all of it. */
  check(states: readonly StreamState[]): Promise<boolean>
}

export function createRecovery(sql: Sql, link: StreamLink, outbox: Outbox, log: Log): Recovery {
  const known = new Map<string, number>()

  /** Returns whether that was the last of them: there may be millions, and newer events do not wait for all. */
  async function repeatEvents(before: Date): Promise<boolean> {
    const { count } = await sql`
      update outbox set published_at = null where seq in (
        select seq from outbox where published_at < ${before} order by published_at limit ${BATCH}
      )`
    if (count > 0) log.warn({ events: count }, 'A stream was lost: events are published again')
    outbox.rewind()
    return count < BATCH
  }

  async function repeatJobs(before: Date): Promise<boolean> {
    const oldest = new Date(Date.now() - STREAMS.INFERENCE.maxAgeSeconds * 1000)
    if (before < oldest) return true
    const jobs = await sql<{ id: string; tenant_id: string; message: string }[]>`
      select id, tenant_id, message from jobs
      where status in ('queued', 'running') and admitted_at between ${oldest} and ${before}`
    for (const job of jobs) {
      if (await isQueued(link, inferenceSubject(job.tenant_id, job.id))) continue
      const [error] = await link.publishAll([writeJob(job)])
      if (error !== undefined) throw new NotStored('JetStream did not take a job again', { cause: error })
      await sql`update jobs set admitted_at = now() where id = ${job.id}`
      log.warn({ job: job.id, tenant: job.tenant_id }, 'INFERENCE was lost: a job is queued again')
    }
    return true
  }

  return {
    async check(states) {
      let recovered = true
      for (const { name, createdAt } of states) {
        if (name === 'TOKENS' || known.get(name) === createdAt.getTime()) continue
        const before = new Date(createdAt.getTime() + CLOCK_SKEW_MS)
        const done = await (name === 'INFERENCE' ? repeatJobs(before) : repeatEvents(before))
        if (done) known.set(name, createdAt.getTime())
        recovered &&= done
      }
      return recovered
    },
  }
}

async function isQueued(link: StreamLink, subject: string): Promise<boolean> {
  const manager = await link.nats.manager()
  return (await orUndefined(manager.streams.getMessage('INFERENCE', { last_by_subj: subject }))) !== undefined
}
