/** A cluster with Services that run, deploys to it, and time that passes when a deploy waits. */
import { test as base } from 'vitest'
import { Unavailable } from '../../../../knative/deploy/api-errors.ts'
import { createApi, type Api } from '../../../../knative/deploy/api.ts'
import type { Deploy, Outcome } from '../../../../knative/deploy/deploy.ts'
import { sortManifests } from '../../../../knative/deploy/manifests.ts'
import type { ClusterObject, Deployment, Job, Revision, Service } from '../../../../knative/deploy/objects.ts'
import type { Metrics } from '../../../../knative/deploy/prometheus.ts'
import type { Prober } from '../../../../knative/deploy/probe.ts'
import { DEFAULT_RULES } from '../../../../knative/deploy/rules.ts'
import { runDeploy, type RunOptions } from '../../../../knative/deploy/run.ts'
import { FakeCluster } from './fake-cluster.ts'
import { FakeKnative } from './fake-knative.ts'

/** That the command was killed. */
export class Killed extends Error {}

export const namespace = 'kgents'

/** The manifest of a function whose image behaves as it says. */
export function serviceOf(
  name: string,
  behaviour: string,
  more: { annotations?: Record<string, string> } = {},
): Service {
  return {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name, namespace, labels: { 'app.kubernetes.io/part-of': 'kgents' } },
    spec: {
      template: {
        metadata: {
          labels: { 'kgents.io/function': name },
          annotations: { 'autoscaling.knative.dev/max-scale': '10', ...more.annotations },
        },
        spec: { containers: [{ name: 'user-container', image: `functions@${behaviour}` }] },
      },
    },
  }
}

export function jobOf(image: string): Job {
  const spec = { template: { spec: { containers: [{ image }] } } }
  return { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'setup', namespace }, spec }
}

export function partOf(name: string, image: string): Deployment {
  const template = { metadata: { labels: { 'kgents.io/part': name } }, spec: { containers: [{ image }] } }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: { replicas: 2, template },
  }
}

export class World {
  readonly cluster = new FakeCluster()
  readonly knative = new FakeKnative(this.cluster)
  readonly lines: string[] = []
  /** Requests of our own that were sent. */
  probes = 0

  readonly clock = {
    now: () => this.knative.now,
    sleep: async (seconds: number) => {
      this.knative.tick(seconds)
    },
  }

  readonly metrics: Metrics = {
    requestsOf: async (revision, seconds) => {
      if (!this.knative.hasMetrics) throw new Unavailable('Cannot ask Prometheus: refused')
      return this.knative.figures(revision, seconds)
    },
  }

  readonly prober: Prober = {
    probe: async (url, count) => {
      this.probes += count
      const revision = this.knative.revisionAt(url) ?? ''
      const { errors, p95 } = this.knative.behaviourOf(revision)
      return {
        requests: count,
        errors: revision === '' ? count : Math.round(count * errors),
        refusals: 0,
        p95,
      }
    },
  }

  deployOf(api: Api): Deploy {
    return {
      api,
      clock: this.clock,
      metrics: this.metrics,
      prober: this.prober,
      rules: { ...DEFAULT_RULES, pollSeconds: 60, readySeconds: 120 },
      stopped: {},
      report: (name, text) => void this.lines.push(`${name}: ${text}`),
    }
  }

  /** A deploy as the command runs it; `killAfter` so many writes it is killed. */
  async deploys(
    objects: readonly ClusterObject[],
    { killAfter, ...options }: Partial<RunOptions> & { killAfter?: number } = {},
  ): Promise<Record<string, string>> {
    const api = createApi(this.cluster.config, this.clock)
    const mortal = killAfter === undefined ? api : killedAfter(api, killAfter)
    const outcomes = await runDeploy(sortManifests(objects), this.deployOf(mortal), {
      waveSize: 4,
      ...options,
    })
    this.outcomes = outcomes
    return Object.fromEntries(outcomes.map(({ name, kind }) => [name, kind]))
  }

  outcomes: Outcome[] = []

  /** Services that run as if they had always done so. */
  async runs(...services: Service[]): Promise<void> {
    this.cluster.objects.clear()
    await this.deploys(services)
    for (let minutes = 0; minutes < 40; minutes += 10) this.knative.tick(600)
    this.cluster.writes.length = 0
    this.knative.shares.clear()
    this.lines.length = 0
  }

  /** What a Service serves now, and whether a deploy has left anything behind. */
  stateOf(name: string) {
    this.knative.tick(1)
    this.knative.tick(1)
    const service = this.cluster.find<Service>('Service', name)
    const revisions = this.cluster
      .all<Revision>('Revision')
      .filter(({ metadata }) => metadata.name.startsWith(name))
    const used = service?.status?.traffic?.filter(({ percent = 0 }) => percent > 0) ?? []
    return {
      images: used.map(({ revisionName = '', percent }) => [
        this.cluster.find<Revision>('Revision', revisionName)?.spec.containers[0]?.image.split('@')[1],
        percent,
      ]),
      template: service?.spec.template.spec.containers[0]?.image.split('@')[1],
      traffic: service?.spec.traffic,
      left: [
        ...Object.keys(service?.metadata.annotations ?? {}),
        ...revisions.flatMap(({ metadata }) => Object.keys(metadata.annotations ?? {})),
      ].filter((key) => key.startsWith('deploy.kgents.io/') || key.endsWith('/min-scale')),
    }
  }
}

/** How a Service is when no deploy is going on. */
export const serves = (behaviour: string) => ({
  images: [[behaviour, 100]],
  template: behaviour,
  traffic: [{ latestRevision: true, percent: 100 }],
  left: [],
})

/** The same API, for a process that ends with its `count`th write. */
function killedAfter(api: Api, count: number): Api {
  let writes = 0
  const guard = async <T>(write: () => Promise<T>): Promise<T> => {
    if (writes >= count) throw new Killed()
    const result = await write()
    writes += 1
    if (writes >= count) throw new Killed()
    return result
  }
  return {
    ...api,
    create: (object, options) =>
      options?.dryRun === true ? api.create(object, options) : guard(() => api.create(object, options)),
    replace: (object, options) =>
      options?.dryRun === true ? api.replace(object, options) : guard(() => api.replace(object, options)),
    merge: (object, changes) => guard(() => api.merge(object, changes)),
    apply: (object) => guard(() => api.apply(object)),
    remove: (object) => guard(() => api.remove(object)),
  }
}

export const test = base.extend<{ world: World }>({
  // oxlint-disable-next-line no-empty-pattern -- reason: vitest reads from the pattern that no fixture is needed
  world: async ({}, use) => {
    const world = new World()
    await world.cluster.open()
    await use(world)
    await world.cluster.close()
  },
})
