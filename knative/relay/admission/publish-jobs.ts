/** Puts chosen jobs into `INFERENCE`, and fails those that cannot be queued or have waited past their deadline. */
import { headers as createHeaders } from 'nats'
import type { Sql } from 'postgres'
import { MESSAGE_ID_HEADER } from '../../../shared/nats/event-message.ts'
import type { Outgoing } from '../../../shared/nats/publisher.ts'
import { inferenceSubject } from '../../../shared/nats/subjects.ts'
import type { Log } from '../../../shared/telemetry/log.ts'
import { readJob, writeInferenceFailed } from '../inference-failed.ts'
import type { Metrics } from '../metrics.ts'
import { NotStored } from '../outbox.ts'
import { isUnstorable, type StreamLink } from '../stream-link.ts'
import type { JobRow } from '../waiting.ts'
import { markAdmitted, readOverdue } from './waiting-jobs.ts'

export interface JobPublisher {
  /** Publishes jobs, and sends their marks: `marked` says when those are written. Throws NotStored when JetStream did not take all of them. */
  publish(rows: readonly JobRow[]): Promise<void>
  /** Waits for the marks; throws where they could not be written. Statements that are sent later see them without it. */
  marked(): Promise<void>
  /** Fails jobs whose deadline has passed while they waited. */
  failOverdue(): Promise<void>
}

export interface JobPublisherOptions {
  sql: Sql
  link: StreamLink
  log: Log
  metrics: Metrics
  /** Called with each job that took no slot after all. */
  onRefused: (row: JobRow) => void
}

const MAX_OVERDUE = 100

export function createJobPublisher(options: JobPublisherOptions): JobPublisher {
  const { sql, link, log, metrics, onRefused } = options
  let marking: Promise<void> = Promise.resolve()

  /** The session has one connection, on which statements run in order, so nothing that reads jobs overtakes a mark. */
  function sendMarks(ids: readonly string[]): void {
    marking = Promise.all([marking, markAdmitted(sql, ids, 'now')]).then(() => {})
    marking.catch(() => {})
  }

  /** One that cannot even be read is set aside. */
  async function fail(row: JobRow, reason: string, code?: 'DEADLINE_EXCEEDED'): Promise<void> {
    const job = readJob(row.message)
    if (job === undefined) return markAdmitted(sql, [row.id], 'infinity')
    const [error] = await link.publishAll([writeInferenceFailed(job, reason, 1, code)])
    if (error !== undefined) throw new NotStored('The failure of a job was not stored', { cause: error })
    await markAdmitted(sql, [row.id], 'now')
  }

  return {
    async publish(rows) {
      const outcomes = await link.publishAll(rows.map(writeJob))
      const stored = rows.filter((_, index) => outcomes[index] === undefined)
      const ids = stored.map(({ id }) => id)
      if (stored.length > 0) sendMarks(ids)
      metrics.add('relay_admitted_total', stored.length)
      let error: Error | undefined
      for (const [index, row] of rows.entries()) {
        const outcome = outcomes[index]
        if (outcome !== undefined) onRefused(row)
        if (outcome !== undefined && isUnstorable(outcome)) {
          log.error({ err: outcome, job: row.id, tenant: row.tenant_id }, 'A job can never be admitted')
          await fail(row, 'the job cannot be queued')
        } else error ??= outcome
      }
      if (error !== undefined) throw new NotStored('JetStream did not take all jobs', { cause: error })
    },
    marked: () => marking,
    async failOverdue() {
      for (const row of await readOverdue(sql, MAX_OVERDUE))
        await fail(row, `it waited until its deadline, ${row.deadline}`, 'DEADLINE_EXCEEDED')
    },
  }
}

/** The message of a job; its id keeps it from being queued twice. */
export function writeJob(row: { id: string; tenant_id: string; message: string }): Outgoing {
  const headers = createHeaders()
  headers.append(MESSAGE_ID_HEADER, row.id)
  headers.append('content-type', 'application/json')
  return { subject: inferenceSubject(row.tenant_id, row.id), headers, payload: Buffer.from(row.message) }
}
