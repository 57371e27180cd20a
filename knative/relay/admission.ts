/**
 * Admits queued jobs of one database to `INFERENCE`, first come first served, while fewer than the cap are there.
 *
 * Jobs wait in the database and not in the stream, because only there can they be put in another order,
 * cancelled and counted. A job is marked when its publish was acknowledged; published twice, it is stored once.
 */
import { headers as createHeaders } from 'nats'
import type { Sql } from 'postgres'
import { MESSAGE_ID_HEADER } from '../../shared/nats/event-message.ts'
import { inferenceSubject } from '../../shared/nats/subjects.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { readJob, writeInferenceFailed } from './inference-failed.ts'
import type { Metrics } from './metrics.ts'
import { NotStored } from './outbox.ts'
import type { Outgoing } from '../../shared/nats/publisher.ts'
import { isUnstorable, type StreamLink } from './stream-link.ts'
import type { JobRow } from './waiting.ts'

export interface Admission {
  /** How many jobs to read next: none for a while after there was no room for them. */
  ask(): number
  /** Jobs wait for room in `INFERENCE`. */
  readonly full: boolean
  /** Admits what there is room for of what was asked for; resolves with how many. Throws NotStored when JetStream did not take all of it. */
  admit(jobs: readonly JobRow[]): Promise<number>
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
        const info = await inferenceInfo(link).catch((error: unknown) => {
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

async function inferenceInfo(link: StreamLink) {
  return (await link.nats.manager()).streams.info('INFERENCE')
}

export interface AdmissionOptions {
  sql: Sql
  link: StreamLink
  room: Room
  log: Log
  metrics: Metrics
  batch?: number
}

/** How often room is looked for while `INFERENCE` is full. */
export const ROOM_INTERVAL_MS = 100

export function createAdmission({ sql, link, room, log, metrics, batch = 50 }: AdmissionOptions): Admission {
  let full = false
  let lookAgainAt = 0
  let asked = 0

  const mark = (jobs: readonly JobRow[], at: 'now' | 'infinity') => sql`
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

  async function publish(rows: readonly JobRow[]): Promise<number> {
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
    get full() {
      return full
    },
    ask() {
      asked = full && performance.now() < lookAgainAt ? 0 : batch
      return asked
    },
    async admit(jobs) {
      if (jobs.length === 0) {
        full &&= asked === 0
        return 0
      }
      return room.take(async (free) => {
        const admitted = free === 0 ? 0 : await publish(jobs.slice(0, free))
        full = admitted < jobs.length
        lookAgainAt = performance.now() + ROOM_INTERVAL_MS
        return admitted
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
