/**
 * Admits queued jobs of one database to `INFERENCE`, in the order of the fair queue that all databases of the relay share.
 *
 * Jobs wait in the database and not in the stream, because only there can they be put in another order,
 * cancelled and counted. A job is marked when its publish was acknowledged; published twice, it is stored once.
 * What the queue knows is in memory: a relay that takes over counts the jobs that run, and goes on from there.
 */
import { headers as createHeaders } from 'nats'
import type { Sql } from 'postgres'
import type { KgentsEvent } from '../../../shared/events/event.ts'
import { MESSAGE_ID_HEADER } from '../../../shared/nats/event-message.ts'
import type { Outgoing } from '../../../shared/nats/publisher.ts'
import { inferenceSubject } from '../../../shared/nats/subjects.ts'
import type { Tier } from '../../../shared/plans/tiers.ts'
import type { Log } from '../../../shared/telemetry/log.ts'
import { readJob, writeInferenceFailed } from '../inference-failed.ts'
import type { Metrics } from '../metrics.ts'
import { NotStored } from '../outbox.ts'
import { isUnstorable, type StreamLink } from '../stream-link.ts'
import type { JobRow } from '../waiting.ts'
import type { FairQueue } from './fair-queue.ts'
import type { Room, Space } from './room.ts'
import { createRunning } from './running.ts'
import {
  markAdmitted,
  readHeads,
  readMessages,
  readOverdue,
  readWaitingTenants,
  type JobHead,
  type WaitingTenant,
} from './waiting-jobs.ts'
import { readTier, WEIGHTS } from './weights.ts'

export interface Admission {
  /** Jobs wait for room in `INFERENCE`. */
  readonly full: boolean
  /** Admits what there is room for, after it has noted who waits; resolves with how many. Throws NotStored when JetStream did not take all of it. */
  admit(arrived: readonly WaitingTenant[]): Promise<number>
  /** Now and then looks at everything anew, and fails what waited past its deadline. */
  check(): Promise<void>
  /** Takes an event that was published: it may report the end of a job. */
  notice(event: KgentsEvent): void
  /** Another relay leads from now on. */
  close(): void
}

export interface AdmissionOptions {
  sql: Sql
  link: StreamLink
  room: Room
  queue: FairQueue
  log: Log
  metrics: Metrics
  /** Called when a worker has ended a job while jobs wait. */
  onFreed?: () => void
}

/** How often room is looked for while `INFERENCE` is full and nothing is heard of workers. */
export const ROOM_INTERVAL_MS = 100
const REFRESH_INTERVAL_MS = 5000
/** Jobs that are admitted, or failed, at once. */
const BATCH = 100

export function createAdmission(options: AdmissionOptions): Admission {
  const { sql, link, room, queue, log, metrics, onFreed } = options
  /** Tenants of this database that wait. */
  const waiting = new Map<string, Tier>()
  const running = createRunning(sql, queue)
  let full = false
  let lookAgainAt = 0
  let refreshAt = 0
  const unwatch = room.watch(() => {
    lookAgainAt = 0
    if (full) onFreed?.()
  })

  function wait(tenants: readonly WaitingTenant[]): void {
    for (const { tenant_id, tier } of tenants) {
      waiting.set(tenant_id, readTier(tier))
      queue.wait(tenant_id, WEIGHTS[readTier(tier)])
    }
  }

  function leave(tenant: string): void {
    waiting.delete(tenant)
    queue.leave(tenant)
  }

  /** A job that cannot be queued, or not in time, fails; one that cannot even be read is set aside. */
  async function fail(row: JobRow, reason: string, code?: 'DEADLINE_EXCEEDED'): Promise<void> {
    const job = readJob(row.message)
    if (job === undefined) return markAdmitted(sql, [row.id], 'infinity')
    const [error] = await link.publishAll([writeInferenceFailed(job, reason, 1, code)])
    if (error !== undefined) throw new NotStored('The failure of a job was not stored', { cause: error })
    await markAdmitted(sql, [row.id], 'now')
  }

  async function failOverdue(): Promise<void> {
    for (const row of await readOverdue(sql, BATCH))
      await fail(row, `it waited until its deadline, ${row.deadline}`, 'DEADLINE_EXCEEDED')
  }

  async function publish(rows: readonly JobRow[]): Promise<void> {
    const outcomes = await link.publishAll(rows.map(writeJob))
    const stored = rows.filter((_, index) => outcomes[index] === undefined)
    const ids = stored.map(({ id }) => id)
    if (stored.length > 0) await markAdmitted(sql, ids, 'now')
    metrics.add('relay_admitted_total', stored.length)
    let error: Error | undefined
    for (const [index, row] of rows.entries()) {
      const outcome = outcomes[index]
      if (outcome !== undefined) running.remove([row])
      if (outcome !== undefined && isUnstorable(outcome)) {
        log.error({ err: outcome, job: row.id, tenant: row.tenant_id }, 'A job can never be admitted')
        await fail(row, 'the job cannot be queued')
      } else error ??= outcome
    }
    if (error !== undefined) throw new NotStored('JetStream did not take all jobs', { cause: error })
  }

  /** Counts them as admitted before they are: nobody else chooses meanwhile. */
  async function choose({ free, slots }: Space): Promise<JobHead[]> {
    const count = Math.min(free, BATCH)
    const own = queue.next(count, slots).filter((tenant) => waiting.has(tenant))
    if (own.length === 0) return []
    const heads = new Map<string, JobHead[]>(own.map((tenant) => [tenant, []]))
    for (const head of await readHeads(sql, own, count)) heads.get(head.tenant_id)?.push(head)
    const chosen = queue.fill(count, slots, heads)
    running.add(chosen)
    for (const [tenant, of] of heads) {
      const used = chosen.filter(({ tenant_id }) => tenant_id === tenant).length
      if (used === of.length && of.length < count) leave(tenant)
    }
    return chosen
  }

  async function take(space: Space): Promise<number> {
    const chosen = await choose(space)
    if (chosen.length === 0) return 0
    const tiers = new Map(chosen.map(({ tenant_id }) => [tenant_id, waiting.get(tenant_id)]))
    try {
      const rows = await readMessages(
        sql,
        chosen.map(({ id }) => id),
      )
      const there = new Set(rows.map(({ id }) => id))
      running.remove(chosen.filter(({ id }) => !there.has(id)))
      if (rows.length > 0) await publish(rows)
      for (const { id, tenant_id, waited_seconds } of chosen)
        if (there.has(id)) metrics.waited(tiers.get(tenant_id) ?? 'free', waited_seconds)
      return rows.length
    } catch (error) {
      // Whoever was not published still waits.
      refreshAt = 0
      throw error
    }
  }

  return {
    get full() {
      return full
    },
    async admit(arrived) {
      wait(arrived)
      if (waiting.size === 0) full = false
      if (waiting.size === 0 || (full && performance.now() < lookAgainAt)) return 0
      return room.take(async (space) => {
        lookAgainAt = performance.now() + ROOM_INTERVAL_MS
        const admitted = space.free === 0 ? 0 : await take(space)
        full = waiting.size > 0
        return admitted
      })
    },
    async check() {
      await failOverdue()
      if (performance.now() < refreshAt) return
      await running.refresh()
      wait(await readWaitingTenants(sql))
      refreshAt = performance.now() + REFRESH_INTERVAL_MS
    },
    notice: running.notice,
    close() {
      unwatch()
      for (const tenant of [...waiting.keys()]) leave(tenant)
      running.clear()
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
