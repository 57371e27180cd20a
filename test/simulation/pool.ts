/**
 * A pool of workers in simulated time: jobs of tenants wait, are admitted by the relay's `FairQueue`, and take a slot for as
 * long as their tokens take. Without a clock and with a generator of its own: the same input gives the same figures.
 */
import { FairQueue } from '../../knative/relay/admission/fair-queue.ts'
import { readyFor } from '../../knative/relay/admission/room.ts'

export interface SimulatedTenant {
  name: string
  weight: number
}

export interface SimulatedJob {
  tenant: SimulatedTenant
  /** Second at which it is queued. */
  at: number
  estimate: number
  /** Tokens that it really takes. */
  used: number
}

export interface FinishedJob extends SimulatedJob {
  /** When it got a slot. */
  begunAt: number
  endedAt: number
  /** Jobs that began between the time that it was queued and its own beginning. */
  before: number
}

export interface Pool {
  slots: number
  /** Of one slot. */
  tokensPerSecond: number
  /** Ends the run when so many jobs have begun. */
  most?: number
}

interface WaitingJob extends SimulatedJob {
  tokens: number
  begunThen: number
}

/** Runs `jobs`, sorted by the time that they are queued; answers those that have begun, in that order. */
export function simulate(
  jobs: readonly SimulatedJob[],
  { slots, tokensPerSecond, most = Infinity }: Pool,
): FinishedJob[] {
  const queue = new FairQueue()
  const waiting = new Map<string, WaitingJob[]>()
  /** As in `INFERENCE`: admitted, and first come first served from then on. */
  const ready: WaitingJob[] = []
  const running: FinishedJob[] = []
  const begun: FinishedJob[] = []
  let next = 0
  let now = 0

  function arrive(): void {
    for (let job = jobs[next]; job !== undefined && job.at <= now; job = jobs[(next += 1)]) {
      const own = waiting.get(job.tenant.name) ?? []
      waiting.set(job.tenant.name, own)
      own.push({ ...job, tokens: job.estimate, begunThen: begun.length })
      queue.wait(job.tenant.name, job.tenant.weight)
    }
  }

  function admit(): void {
    const free = slots - running.length + readyFor(slots) - ready.length
    const heads = new Map(
      queue.next(free, slots).map((name) => [name, waiting.get(name)?.slice(0, free) ?? []]),
    )
    for (const job of queue.fill(free, slots, heads)) {
      const own = waiting.get(job.tenant.name) ?? []
      own.shift()
      if (own.length === 0) queue.leave(job.tenant.name)
      ready.push(job)
    }
  }

  function begin(): void {
    for (const job of ready.splice(0, slots - running.length)) {
      const before = begun.length - job.begunThen
      begun.push({ ...job, before, begunAt: now, endedAt: now + job.used / tokensPerSecond })
      running.push(begun.at(-1) as FinishedJob) // reason: pushed in the line before
    }
    running.sort((a, b) => a.endedAt - b.endedAt)
  }

  function end(): void {
    for (let job = running[0]; job !== undefined && job.endedAt <= now; job = running[0]) {
      running.shift()
      queue.settle(job.tenant.name, job.estimate, job.used)
    }
  }

  while (begun.length < most && (next < jobs.length || running.length > 0)) {
    now = Math.min(jobs[next]?.at ?? Infinity, running[0]?.endedAt ?? Infinity)
    end()
    begin()
    arrive()
    admit()
    begin()
  }
  return begun
}

/** Numbers from 0 to 1 that look random and are the same for the same seed: a linear congruential generator (Knuth, MMIX). */
export function createNumbers(seed: number): () => number {
  let state = BigInt(seed)
  return () => {
    state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) & 0xffff_ffff_ffff_ffffn
    return Number(state >> 11n) / 2 ** 53
  }
}

/** Jain's index of shares: 1 where all are equal, 1/n where one has everything (Jain, Chiu and Hawe, DEC-TR-301, 1984). */
export function jainIndex(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0)
  const squares = shares.reduce((total, share) => total + share * share, 0)
  return squares === 0 ? 1 : (sum * sum) / (shares.length * squares)
}
