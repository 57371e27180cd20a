/**
 * The admitted jobs of one database, each with its estimate, until they end: then their tenant's virtual time is put right.
 *
 * How a job ended is read from the events that report it, which the relay of its database publishes anyway. A job that failed counts
 * as estimated: what a worker computed for it is not known, and must not be free.
 */
import type { Sql } from 'postgres'
import type { KgentsEvent } from '../../../shared/events/event.ts'
import type { FairQueue } from './fair-queue.ts'
import { readRunning, type JobHead } from './waiting-jobs.ts'
import { readTier, WEIGHTS } from './weights.ts'

export interface Running {
  /** Counts what was admitted before, and forgets what has ended unnoticed. */
  refresh(): Promise<void>
  /** Notes jobs that the queue has admitted. */
  add(jobs: readonly JobHead[]): void
  /** Takes back that jobs were admitted. */
  remove(jobs: readonly Pick<JobHead, 'id'>[]): void
  /** Takes an event that was published. */
  notice(event: KgentsEvent): void
  /** Forgets all: another relay leads. */
  clear(): void
}

export function createRunning(sql: Sql, queue: FairQueue): Running {
  const running = new Map<string, { tenant: string; tokens: number }>()

  function settle(id: string, used?: number): void {
    const job = running.get(id)
    if (job === undefined) return
    running.delete(id)
    queue.settle(job.tenant, job.tokens, used ?? job.tokens)
  }

  return {
    async refresh() {
      const before = new Set(running.keys())
      const found = await readRunning(sql)
      for (const { id, tenant_id: tenant, tier, tokens } of found) {
        if (before.delete(id) || running.has(id)) continue
        running.set(id, { tenant, tokens })
        queue.resume(tenant, WEIGHTS[readTier(tier)], tokens)
      }
      for (const id of before) settle(id)
    },
    add(jobs) {
      for (const { id, tenant_id: tenant, tokens } of jobs) running.set(id, { tenant, tokens })
    },
    remove(jobs) {
      for (const { id } of jobs) settle(id, 0)
    },
    notice({ type, subject, data }) {
      const end = endIn(type, data, subject)
      if (end !== undefined) settle(end.job, end.used)
    },
    clear() {
      for (const id of running.keys()) settle(id, 0)
    },
  }
}

/** The job that an event says has ended, and what it used, where that is known. */
function endIn(
  type: string,
  data: unknown,
  subject: string | undefined,
): { job: string; used?: number } | undefined {
  const { job, charges, tokens, code } = (data ?? {}) as EndData // reason: read member by member below
  if (type === 'io.kgents.job.failed' && subject !== undefined) return { job: subject }
  if (type === 'io.kgents.job.completed' && subject !== undefined)
    return { job: subject, used: sum(tokens?.prompt, tokens?.completion) }
  // A cancelled job is over for its followers at once, and here when it is known what it used.
  if (type === 'io.kgents.agentese.failed' && typeof job === 'string' && code === 'CANCELLED')
    return { job, used: sum(charges?.['tokens']) }
  return undefined
}

interface EndData {
  job?: unknown
  code?: unknown
  charges?: Record<string, unknown>
  tokens?: { prompt?: unknown; completion?: unknown }
}

function sum(...counts: unknown[]): number {
  return counts.reduce<number>((total, count) => total + (typeof count === 'number' ? count : 0), 0)
}
