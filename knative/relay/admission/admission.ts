/**
 * Admits queued jobs of one database to `INFERENCE`, in the order of the fair queue that all databases of the relay share.
 *
 * Jobs wait in the database and not in the stream, because only there can they be put in another order,
 * cancelled and counted. A job is marked when its publish was acknowledged; published twice, it is stored once.
 * What the queue knows is in memory: a relay that takes over counts the jobs that run, and goes on from there.
 */
import type { Sql } from 'postgres'
import type { KgentsEvent } from '../../../shared/events/event.ts'
import type { Tier } from '../../../shared/plans/tiers.ts'
import type { Log } from '../../../shared/telemetry/log.ts'
import type { Metrics } from '../metrics.ts'
import type { StreamLink } from '../stream-link.ts'
import type { FairQueue } from './fair-queue.ts'
import { createJobPublisher, type JobPublisher } from './publish-jobs.ts'
import type { Room, Space } from './room.ts'
import { createRunning, type Running } from './running.ts'
import {
  readHeads,
  readMessages,
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

/** How often room is looked for while `INFERENCE` is full and nothing is heard of workers; for so long after that, with each read. */
export const ROOM_INTERVAL_MS = 100
const REFRESH_INTERVAL_MS = 5000
/** Jobs that are admitted at once. */
const BATCH = 100

export function createAdmission(options: AdmissionOptions): Admission {
  return new DatabaseAdmission(options)
}

class DatabaseAdmission implements Admission {
  full = false
  readonly notice: Running['notice']
  readonly #options: AdmissionOptions
  readonly #running: Running
  readonly #publisher: JobPublisher
  readonly #unwatch: () => void
  /** Tenants of this database that wait. */
  readonly #waiting = new Map<string, Tier>()
  #lookAgainAt = 0
  #freedAt = -Infinity
  #refreshAt = 0

  constructor(options: AdmissionOptions) {
    const { sql, queue, room, onFreed } = options
    this.#options = options
    this.#running = createRunning(sql, queue)
    this.#publisher = createJobPublisher({ ...options, onRefused: (row) => this.#running.remove([row]) })
    this.notice = this.#running.notice
    this.#unwatch = room.watch(() => {
      this.#lookAgainAt = 0
      this.#freedAt = performance.now()
      if (this.full) onFreed?.()
    })
  }

  async admit(arrived: readonly WaitingTenant[]): Promise<number> {
    this.#wait(arrived)
    await this.#publisher.marked()
    if (this.#waiting.size === 0) this.full = false
    const now = performance.now()
    if (this.#waiting.size === 0 || (this.full && now < this.#lookAgainAt)) return 0
    // The slot of a job that has ended asks for the next a moment later, and only then shows as free.
    this.#lookAgainAt = now < this.#freedAt + ROOM_INTERVAL_MS ? now : now + ROOM_INTERVAL_MS
    return this.#options.room.take(async (space) => {
      const admitted = space.free === 0 ? 0 : await this.#fill(space)
      this.full = this.#waiting.size > 0
      return admitted
    })
  }

  async check(): Promise<void> {
    await this.#publisher.failOverdue()
    if (performance.now() < this.#refreshAt) return
    await this.#running.refresh()
    this.#wait(await readWaitingTenants(this.#options.sql))
    this.#refreshAt = performance.now() + REFRESH_INTERVAL_MS
  }

  close(): void {
    this.#unwatch()
    for (const tenant of this.#waiting.keys()) this.#leave(tenant)
    this.#running.clear()
  }

  #wait(tenants: readonly WaitingTenant[]): void {
    for (const { tenant_id, tier } of tenants) {
      this.#waiting.set(tenant_id, readTier(tier))
      this.#options.queue.wait(tenant_id, WEIGHTS[readTier(tier)])
    }
  }

  #leave(tenant: string): void {
    this.#waiting.delete(tenant)
    this.#options.queue.leave(tenant)
  }

  async #fill(space: Space): Promise<number> {
    const tiers = new Map(this.#waiting)
    const chosen = await this.#choose(space)
    if (chosen.length === 0) return 0
    const ids = chosen.map(({ id }) => id)
    try {
      const rows = await readMessages(this.#options.sql, ids)
      const there = new Set(rows.map(({ id }) => id))
      // Cancelled a moment ago.
      this.#running.remove(chosen.filter(({ id }) => !there.has(id)))
      if (rows.length > 0) await this.#publisher.publish(rows)
      for (const { id, tenant_id, waited_seconds } of chosen)
        if (there.has(id)) this.#options.metrics.waited(tiers.get(tenant_id) ?? 'free', waited_seconds)
      return rows.length
    } catch (error) {
      // Whoever was not published still waits.
      this.#refreshAt = 0
      throw error
    }
  }

  /** Counts them as admitted before they are: nobody else chooses meanwhile. */
  async #choose({ free, slots }: Space): Promise<JobHead[]> {
    const { sql, queue } = this.#options
    const count = Math.min(free, BATCH)
    const own = queue.next(count, slots).filter((tenant) => this.#waiting.has(tenant))
    if (own.length === 0) return []
    const heads = new Map<string, JobHead[]>(own.map((tenant) => [tenant, []]))
    for (const head of await readHeads(sql, own, count)) heads.get(head.tenant_id)?.push(head)
    const chosen = queue.fill(count, slots, heads)
    this.#running.add(chosen)
    for (const [tenant, all] of heads) {
      const used = chosen.filter(({ tenant_id }) => tenant_id === tenant).length
      if (used === all.length && all.length < count) this.#leave(tenant)
    }
    return chosen
  }
}
