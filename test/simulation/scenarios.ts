/** Situations in which the pool has to be fair, and what they come to. */
import { WEIGHTS } from '../../knative/relay/admission/weights.ts'
import { TIERS, type Tier } from '../../shared/plans/tiers.ts'
import { createNumbers, jainIndex, simulate, type FinishedJob, type SimulatedJob } from './pool.ts'

export const SLOTS = 32
const POOL = { slots: SLOTS, tokensPerSecond: 50 }

const tenantOf = (tier: Tier, number = 0) => ({ name: `${tier} ${number}`, weight: WEIGHTS[tier] })

/** Jobs of between 20 and 620 tokens, estimated at up to three times of that or at half: as answers do, they vary. */
function jobsOf(tenant: SimulatedJob['tenant'], count: number, seed: number, at = 0): SimulatedJob[] {
  const next = createNumbers(seed)
  return Array.from({ length: count }, () => {
    const used = 20 + Math.floor(600 * next())
    return { tenant, at, used, estimate: Math.ceil(used * (0.5 + 2.5 * next())) }
  })
}

export interface Share {
  name: string
  weight: number
  /** Of all tokens of jobs that have begun, and what it should be by weight. */
  share: number
  due: number
}

/** One tenant of each tier with more work than it can get done, until `count` jobs have begun. */
export function sharesByTier(count: number): { shares: Share[]; jain: number } {
  const tenants = TIERS.map((tier) => tenantOf(tier))
  const jobs = tenants.flatMap((tenant, at) => jobsOf(tenant, count, at + 1))
  return sharesOf(simulate(jobs, { ...POOL, most: count }))
}

/** `tenants` tenants of all tiers at once, each with more work than it can get done. */
export function sharesOfMany(tenants: number, jobsOfEach: number): { jain: number; begun: number } {
  const all = Array.from({ length: tenants }, (_, at) => tenantOf(TIERS[at % TIERS.length] ?? 'free', at))
  const jobs = all.flatMap((tenant, at) => jobsOf(tenant, jobsOfEach * tenant.weight, at + 1))
  const most = (tenants * jobsOfEach * 3) / 2
  const begun = simulate(jobs, { ...POOL, most })
  return { jain: sharesOf(begun).jain, begun: begun.length }
}

function sharesOf(begun: readonly FinishedJob[]): { shares: Share[]; jain: number } {
  const used = new Map<string, { weight: number; tokens: number }>()
  for (const { tenant, used: tokens } of begun) {
    const own = used.get(tenant.name) ?? { weight: tenant.weight, tokens: 0 }
    used.set(tenant.name, { ...own, tokens: own.tokens + tokens })
  }
  const all = [...used]
  const tokens = all.reduce((total, [, own]) => total + own.tokens, 0)
  const weights = all.reduce((total, [, own]) => total + own.weight, 0)
  const shares = all.map(([name, own]) => {
    return { name, weight: own.weight, share: own.tokens / tokens, due: own.weight / weights }
  })
  return { shares, jain: jainIndex(all.map(([, own]) => own.tokens / own.weight)) }
}

/** One tenant queues 1,000 jobs, and a while later another of its tier asks once: how many jobs go before it. */
export function oneAfterFlood(slots: number): { before: number; waitSeconds: number } {
  const flood = jobsOf(tenantOf('pro', 1), 1000, 1)
  const [one] = jobsOf(tenantOf('pro', 2), 1, 2, 30.5)
  const jobs = one === undefined ? flood : [...flood, one]
  const found = simulate(jobs, { ...POOL, slots }).find(({ tenant }) => tenant.name === 'pro 2')
  return { before: found?.before ?? Infinity, waitSeconds: (found?.begunAt ?? Infinity) - (found?.at ?? 0) }
}

export interface Quiet {
  aloneSeconds: number
  besideSeconds: number
  ratio: number
}

/** Asks now and then, by itself and beside a tenant that floods: the 99th percentile of the time to its answers' ends. */
export function quietTenant(slots: number, jobs = 2000): Quiet {
  const next = createNumbers(7)
  let at = 0
  const quiet = jobsOf(tenantOf('pro', 1), jobs, 3).map((job) => ({ ...job, at: (at += 12 * next()) }))
  const flood = jobsOf(tenantOf('pro', 2), jobs * slots, 4)
  const p99 = (run: readonly FinishedJob[]) => {
    const own = run.filter(({ tenant }) => tenant.name === 'pro 1')
    const seconds = own.map((job) => job.endedAt - job.at).toSorted((a, b) => a - b)
    return seconds[Math.ceil(0.99 * seconds.length) - 1] ?? Infinity
  }
  const aloneSeconds = p99(simulate(quiet, { ...POOL, slots }))
  const besideSeconds = p99(simulate([...flood, ...quiet], { ...POOL, slots }))
  return { aloneSeconds, besideSeconds, ratio: besideSeconds / aloneSeconds }
}

/** Whoever is alone: how many of its jobs run at once, of as many slots. */
export function runningAlone(): number {
  return simulate(jobsOf(tenantOf('free'), SLOTS * 2, 1), POOL).filter(({ begunAt }) => begunAt === 0).length
}
