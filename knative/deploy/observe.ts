/** Watches one step of a canary until it can be decided, and decides it. */
import { Unavailable } from './api-errors.ts'
import type { Deploy } from './deploy.ts'
import { describe, judge, type Comparison, type Figures } from './judge.ts'
import { SERVICE, type Pod, type Revision, type Service } from './objects.ts'
import { podsOf, restartsOf, startSecondsOf } from './readiness.ts'
import { CANDIDATE_TAG, RUNNING_TAG } from './service-state.ts'

/** The two revisions that are compared. */
export interface Pair {
  live: Service
  previous: Revision
  candidate: Revision
}

export interface Decision {
  /** Why the new revision is taken back; empty where it goes on. */
  problems: string[]
  /** Whether requests of our own decided, since there were too few of others. */
  probed: boolean
}

/** @param isQuiet known to have too few requests: it is not waited for more */
export async function observe(pair: Pair, deploy: Deploy, isQuiet: boolean): Promise<Decision> {
  const { clock, rules } = deploy
  const started = clock.now()
  const patience = isQuiet ? rules.stepSeconds : Math.max(rules.stepSeconds, rules.patienceSeconds)
  const pods = new PodTimes()
  for (;;) {
    await clock.sleep(rules.pollSeconds)
    if (deploy.stopped.because !== undefined) return { problems: [deploy.stopped.because], probed: false }
    const elapsed = (clock.now() - started) / 1000
    const seen = await read(pair, deploy, elapsed, pods)
    if (seen instanceof Unavailable) {
      deploy.report(pair.live.metadata.name, seen.message)
      if (elapsed < rules.patienceSeconds) continue
      return { problems: [`nothing is known of its requests: ${seen.message}`], probed: false }
    }
    const enough = seen.candidate.requests >= rules.minRequests
    // A percentile of few requests says nothing, and errors and crashes need not be many.
    const problems = judge(enough ? seen : withoutPercentile(seen))
    if (problems.length > 0) return { problems, probed: false }
    if (enough && elapsed >= rules.stepSeconds) {
      deploy.report(pair.live.metadata.name, `good: ${describe(seen)}`)
      return { problems, probed: false }
    }
    if (elapsed >= patience) return probeBoth(pair, deploy, seen)
  }
}

async function read(
  pair: Pair,
  deploy: Deploy,
  elapsed: number,
  times: PodTimes,
): Promise<Comparison | Unavailable> {
  const { metrics, rules, api } = deploy
  const [running, candidate] = await Promise.all(
    [pair.previous, pair.candidate].map((revision) => podsOf(api, revision)),
  )
  const starts = times.add(running ?? [], candidate ?? [])
  try {
    const [before, after] = await Promise.all([
      metrics.requestsOf(pair.previous.metadata.name, rules.baselineSeconds),
      metrics.requestsOf(pair.candidate.metadata.name, elapsed),
    ])
    return {
      running: { ...before, start: starts.running, restarts: restartsOf(running ?? []) },
      candidate: { ...after, start: starts.candidate, restarts: restartsOf(candidate ?? []) },
    }
  } catch (error) {
    if (error instanceof Unavailable) return error
    throw error
  }
}

/** Start times of all pods that were seen, since they come and go. */
class PodTimes {
  readonly #seconds = { running: new Map<string, number>(), candidate: new Map<string, number>() }

  add(running: readonly Pod[], candidate: readonly Pod[]) {
    for (const [name, seconds] of startSecondsOf(running)) this.#seconds.running.set(name, seconds)
    for (const [name, seconds] of startSecondsOf(candidate)) this.#seconds.candidate.set(name, seconds)
    return { running: median(this.#seconds.running), candidate: median(this.#seconds.candidate) }
  }
}

function median(values: ReadonlyMap<string, number>): number | undefined {
  const sorted = [...values.values()].sort((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)]
}

function withoutPercentile({ running, candidate }: Comparison): Comparison {
  return { running, candidate: { ...candidate, p95: undefined } }
}

/** Decides by requests of our own, the same to both. */
async function probeBoth(pair: Pair, deploy: Deploy, seen: Comparison): Promise<Decision> {
  const { api, prober, rules, report } = deploy
  const name = pair.live.metadata.name
  report(
    name,
    `${seen.candidate.requests} requests are too few to decide by: sends ${rules.probeRequests} of its own`,
  )
  const fresh = await api.get<Service>(SERVICE, pair.live.metadata.namespace, name)
  const urlOf = (tag: string) => fresh?.status?.traffic?.find((target) => target.tag === tag)?.url
  const [ours, theirs] = [urlOf(CANDIDATE_TAG), urlOf(RUNNING_TAG)]
  if (ours === undefined || theirs === undefined)
    return {
      problems: ['it has too few requests, and Knative gives it no address for a probe'],
      probed: true,
    }
  const running = await prober.probe(theirs, rules.probeRequests)
  const candidate = await prober.probe(ours, rules.probeRequests)
  if (running.errors === running.requests && candidate.errors === candidate.requests)
    return {
      problems: [`it has too few requests, and no probe reaches ${ours} or ${theirs}: see --ingress`],
      probed: true,
    }
  const comparison = { running: merge(seen.running, running), candidate: merge(seen.candidate, candidate) }
  const problems = judge(comparison)
  if (problems.length === 0) report(name, `good by its probe: ${describe(comparison)}`)
  return { problems: problems.map((problem) => `${problem} (probe)`), probed: true }
}

const merge = (figures: Figures, probe: Omit<Figures, 'start' | 'restarts'>): Figures => ({
  ...figures,
  ...probe,
})
