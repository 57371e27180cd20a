/**
 * Admits queued jobs of one database to `INFERENCE`, first come first served, while fewer than the cap are there.
 *
 * Jobs wait in the database and not in the stream, because only there can they be put in another order,
 * cancelled and counted. A job is marked when its publish was acknowledged; published twice, it is stored once.
 */
import { headers as createHeaders } from 'nats'
import type { Sql } from 'postgres'
import { MESSAGE_ID_HEADER } from '../../shared/events/nats.ts'
import { inferenceSubject } from '../../shared/events/streams.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { readJob, writeInferenceFailed } from './inference-failed.ts'
import type { Metrics } from './metrics.ts'
import { NotStored } from './outbox.ts'
import { isUnstorable, type Outgoing, type StreamLink } from './stream-link.ts'

interface JobRow {
  id: string
  tenant_id: string
  message: string
}

export interface AdmissionProgress {
  admitted: number
  /** Nothing was admitted because jobs wait for an older transaction to end. */
  held: boolean
  /** Jobs wait for room in `INFERENCE`. */
  full: boolean
}

export interface Admission {
  /** Admits what there is room for. Throws NotStored when JetStream did not take all of it. */
  admit(): Promise<AdmissionProgress>
}

/** Jobs that may still be put into `INFERENCE`; shared by all databases of one relay, so taken one at a time. */
export interface Room {
  take<T>(work: (room: number) => Promise<T>): Promise<T>
}

export function createRoom(link: StreamLink, cap: number): Room {
  let last: Promise<unknown> = Promise.resolve()
  return {
    take(work) {
      const turn = last.then(async () => {
        const manager = await link.nc.jetstreamManager({ checkAPI: false })
        const info = await manager.streams.info('INFERENCE').catch((error: unknown) => {
          link.doubt()
          throw new NotStored('INFERENCE does not answer', { cause: error })
        })
        return work(Math.max(0, cap - info.state.messages))
      })
      last = turn.catch(() => {})
      return turn
    },
  }
}

export interface AdmissionOptions {
  sql: Sql
  link: StreamLink
  room: Room
  log: Log
  metrics: Metrics
  batch?: number
}

export function createAdmission({ sql, link, room, log, metrics, batch = 50 }: AdmissionOptions): Admission {
  const readSettled = () => sql<JobRow[]>`
    select id, tenant_id, message from jobs
    where admitted_at is null and status = 'queued' and xid < pg_snapshot_xmin(pg_current_snapshot())
    order by xid, seq limit ${batch}`

  const readAny = () => sql`select from jobs where admitted_at is null and status = 'queued' limit 1`

  const mark = (jobs: JobRow[], at: 'now' | 'infinity') => sql`
    update jobs set admitted_at = ${at}::text::timestamptz where id = any(${listOf(jobs)}::uuid[])`

  /** A job that can never be queued fails at once; one that cannot even be read is set aside. */
  async function refuse(row: JobRow, reason: Error): Promise<void> {
    const job = readJob(row.message)
    log.error({ err: reason, job: row.id, tenant: row.tenant_id }, 'A job can never be admitted')
    if (job === undefined) return void (await mark([row], 'infinity'))
    const [error] = await link.publishAll([writeInferenceFailed(job, 'the job cannot be queued', 1)])
    if (error !== undefined) throw new NotStored('The failure of a job was not stored', { cause: error })
    await mark([row], 'now')
  }

  async function publish(rows: JobRow[]): Promise<number> {
    const outcomes = await link.publishAll(rows.map(writeJob))
    const stored = rows.filter((_, index) => outcomes[index] === undefined)
    if (stored.length > 0) await mark(stored, 'now')
    metrics.add('relay_admitted_total', stored.length)
    let error: Error | undefined
    for (const [index, row] of rows.entries()) {
      const outcome = outcomes[index]
      if (outcome !== undefined && isUnstorable(outcome)) await refuse(row, outcome)
      else error ??= outcome
    }
    if (error !== undefined) throw new NotStored('JetStream did not take all jobs', { cause: error })
    return rows.length
  }

  return {
    async admit() {
      const rows = await readSettled()
      if (rows.length === 0) return { admitted: 0, held: (await readAny()).length > 0, full: false }
      return room.take(async (free) => {
        const admitted = free === 0 ? 0 : await publish(rows.slice(0, free))
        return { admitted, held: false, full: admitted < rows.length }
      })
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

function listOf(jobs: readonly JobRow[]): string {
  return `{${jobs.map((job) => job.id).join(',')}}`
}
