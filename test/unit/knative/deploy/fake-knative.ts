/**
 * Plays Knative's controllers, the programs in the images and their callers: revisions of new templates, their pods, their
 * traffic, and the figures that Prometheus has of it. Time passes when `tick` is called, and never by itself.
 */
import type {
  Condition,
  Configuration,
  Deployment,
  Job,
  Pod,
  Revision,
  Service,
  TrafficTarget,
} from '../../../../knative/deploy/objects.ts'
import type { Requests } from '../../../../knative/deploy/prometheus.ts'
import type { FakeCluster } from './fake-cluster.ts'

/** What a program does. Its image says which one it is: `functions@good`. */
interface Behaviour {
  errors: number
  refusals: number
  p95: number
  startSeconds: number
  /** Why its container never runs. */
  waiting?: { reason: string; message: string }
  /** Whether Knative itself sees that it fails. */
  fails?: string
  restarts?: number
}

const GOOD: Behaviour = { errors: 0, refusals: 0.02, p95: 0.08, startSeconds: 2 }
const BEHAVIOURS: Record<string, Behaviour> = {
  good: GOOD,
  better: { ...GOOD, p95: 0.05 },
  errors: { ...GOOD, errors: 0.2 },
  'slightly-slower': { ...GOOD, p95: 0.1 },
  slow: { ...GOOD, p95: 0.9 },
  'slow-start': { ...GOOD, startSeconds: 20 },
  refuses: { ...GOOD, refusals: 0.5 },
  restarts: { ...GOOD, restarts: 4 },
  crash: {
    ...GOOD,
    startSeconds: Number.POSITIVE_INFINITY,
    fails: 'Container failed with: Cannot start: DATABASE_URL is required',
    waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s restarting failed container' },
  },
  'no-key': {
    ...GOOD,
    startSeconds: Number.POSITIVE_INFINITY,
    waiting: {
      reason: 'CreateContainerConfigError',
      message: `couldn't find key TOOL_SECRET_KEY in Secret kgents/kgents-secrets`,
    },
  },
  never: { ...GOOD, startSeconds: Number.POSITIVE_INFINITY },
}

const SERVING = 'serving.knative.dev'

interface Sample extends Requests {
  revision: string
  time: number
}

export class FakeKnative {
  readonly cluster: FakeCluster
  now = Date.parse('2026-01-01T00:00:00Z')
  /** Requests a second to each Service. */
  load = 10
  /** Whether Job fails. */
  jobsFail = false
  partsFail = false
  hasMetrics = true
  /** The largest share of requests that each revision has had. */
  readonly shares = new Map<string, number>()
  /** How many pods each revision had when it got its first requests. */
  readonly podsAtFirst = new Map<string, number>()
  /** What must never be: requests that find no pod which is ready. */
  readonly violations: string[] = []
  onTick: () => void = () => {}
  readonly #wanted = new Map<string, { pods: number; since: number }>()
  #samples: Sample[] = []
  #last = this.now

  constructor(cluster: FakeCluster) {
    this.cluster = cluster
  }

  tick(seconds: number): void {
    this.now += seconds * 1000
    for (const service of this.#services()) this.#reconcile(service)
    for (const job of this.cluster.all<Job>('Job')) this.#runJob(job)
    for (const deployment of this.cluster.all<Deployment>('Deployment')) this.#roll(deployment)
    this.#last = this.now
    this.onTick()
  }

  /** What is served by `revision` in the window that a query asks for. */
  figures(revision: string, seconds: number): Requests {
    const since = this.now - seconds * 1000
    const samples = this.#samples.filter((sample) => sample.revision === revision && sample.time > since)
    const sum = (name: 'requests' | 'errors' | 'refusals') =>
      samples.reduce((total, sample) => total + sample[name], 0)
    return {
      requests: sum('requests'),
      errors: sum('errors'),
      refusals: sum('refusals'),
      p95: samples.at(-1)?.p95,
    }
  }

  behaviourOf(revision: string): Behaviour {
    const { spec } = this.cluster.find<Revision>('Revision', revision) ?? {}
    const [, name = ''] = spec?.containers[0]?.image.split('@') ?? []
    return BEHAVIOURS[name] ?? GOOD
  }

  /** Which revision answers at the address of a tag. */
  revisionAt(url: string): string | undefined {
    const targets = this.#services().flatMap(({ status }) => status?.traffic ?? [])
    return targets.find((target) => target.url === url)?.revisionName
  }

  /** Kubernetes has another kind of the same name. */
  #services(): Service[] {
    return this.cluster.all<Service>('Service').filter(({ apiVersion }) => apiVersion.startsWith(SERVING))
  }

  #reconcile(service: Service): void {
    const { name, namespace = '' } = service.metadata
    const before = this.cluster.find<Configuration>('Configuration', name)
    const template = JSON.stringify(service.spec.template)
    const isNew =
      before === undefined || JSON.stringify((before.spec as Service['spec']).template) !== template
    const generation = (before?.metadata.generation ?? 0) + (isNew ? 1 : 0)
    const configuration: Configuration = {
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Configuration',
      metadata: { name, namespace, generation },
      spec: { template: service.spec.template },
      // The revision comes a moment after its template.
      status: {
        ...before?.status,
        ...(isNew
          ? {}
          : { observedGeneration: generation, latestCreatedRevisionName: revisionName(name, generation) }),
      },
    }
    if (!isNew) this.#makeRevision(service, generation)
    this.cluster.put(configuration)
    this.#route(service, configuration)
  }

  #makeRevision({ metadata, spec }: Service, generation: number): void {
    const name = revisionName(metadata.name, generation)
    if (this.cluster.find('Revision', name) !== undefined) return
    const { labels, annotations } = spec.template.metadata ?? {}
    const own = {
      [`${SERVING}/service`]: metadata.name,
      [`${SERVING}/configurationGeneration`]: String(generation),
    }
    this.cluster.put({
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Revision',
      metadata: {
        name,
        ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
        generation: 1,
        creationTimestamp: this.#text(this.now),
        labels: { ...labels, ...own },
        annotations: { ...annotations, [`${SERVING}/creator`]: 'us' },
      },
      spec: spec.template.spec,
    })
  }

  #route(service: Service, { status }: Configuration): void {
    const { name } = service.metadata
    const revisions = this.cluster
      .all<Revision>('Revision')
      .filter(({ metadata }) => metadata.labels?.[`${SERVING}/service`] === name)
    for (const revision of revisions) this.#run(revision, service)
    const ready = new Set(
      revisions.filter((revision) => this.#isReady(revision)).map(({ metadata }) => metadata.name),
    )
    const latest = [...ready].sort().at(-1)
    const targets = (service.spec.traffic ?? []).map((target): TrafficTarget => {
      const { latestRevision, ...rest } = target
      const url =
        target.tag === undefined ? {} : { url: `http://${target.tag}-${name}.kgents.svc.cluster.local` }
      const revision = target.revisionName ?? latest
      return {
        ...rest,
        ...url,
        ...(revision === undefined ? {} : { revisionName: revision }),
        ...(latestRevision === true ? { latestRevision } : {}),
      }
    })
    const isRouted = targets.every(
      ({ revisionName }) => revisionName !== undefined && ready.has(revisionName),
    )
    const traffic = isRouted ? targets : service.status?.traffic
    const newest = status?.latestCreatedRevisionName
    const isReady = isRouted && newest !== undefined && newest === latest
    this.cluster.put({
      ...(this.cluster.find<Service>('Service', name) ?? service),
      status: {
        observedGeneration: service.metadata.generation,
        conditions: [{ type: 'Ready', status: isReady ? 'True' : 'Unknown' }],
        ...(traffic === undefined ? {} : { traffic }),
        ...(newest === undefined ? {} : { latestCreatedRevisionName: newest }),
        ...(latest === undefined ? {} : { latestReadyRevisionName: latest }),
      },
    })
    this.#serve(traffic ?? [], ready)
  }

  #isReady({ metadata }: Revision): boolean {
    const { startSeconds } = this.behaviourOf(metadata.name)
    return this.now - Date.parse(metadata.creationTimestamp ?? '') >= startSeconds * 1000
  }

  #run(revision: Revision, service: Service): void {
    const { name, annotations = {}, creationTimestamp = '' } = revision.metadata
    const behaviour = this.behaviourOf(name)
    const isReady = this.#isReady(revision)
    const share = (service.status?.traffic ?? []).find((target) => target.revisionName === name)?.percent
    const warm = share === undefined ? 0 : Number(annotations['autoscaling.knative.dev/min-scale'] ?? 0)
    const isYoung = this.now - Date.parse(creationTimestamp) < 60_000
    const wanted = Math.max(
      warm,
      share !== undefined && share > 0 && this.load > 0 ? 3 : 0,
      isYoung || !isReady ? 1 : 0,
    )
    const pods = this.#afterDelay(name, wanted)
    const ready: Condition = isReady
      ? { type: 'Ready', status: 'True' }
      : behaviour.fails === undefined
        ? { type: 'Ready', status: 'Unknown', reason: 'Deploying' }
        : { type: 'Ready', status: 'False', reason: 'ExitCode1', message: behaviour.fails }
    this.cluster.put({
      ...revision,
      status: { conditions: [ready], actualReplicas: isReady ? pods : 0 },
    })
    this.#makePods(revision, pods, behaviour)
  }

  /** Pods go a minute after they are not needed any more. */
  #afterDelay(revision: string, wanted: number): number {
    const last = this.#wanted.get(revision)
    if (last !== undefined && last.pods > wanted && this.now - last.since < 60_000) return last.pods
    this.#wanted.set(revision, { pods: wanted, since: this.now })
    return wanted
  }

  #makePods({ metadata }: Revision, count: number, behaviour: Behaviour): void {
    for (const pod of this.cluster.all<Pod>('Pod')) {
      const [, index = ''] = pod.metadata.name.split(`${metadata.name}-pod-`)
      if (index !== '' && Number(index) >= count)
        this.cluster.objects.delete(`v1 Pod ${metadata.namespace}/${pod.metadata.name}`)
    }
    for (let index = 0; index < count; index += 1) {
      const name = `${metadata.name}-pod-${index}`
      const made = this.cluster.find<Pod>('Pod', name)?.metadata.creationTimestamp ?? this.#text(this.#last)
      const up = Date.parse(made) + behaviour.startSeconds * 1000
      const isUp = this.now >= up
      const condition = isUp
        ? { type: 'Ready', status: 'True', lastTransitionTime: this.#text(up) }
        : { type: 'Ready', status: 'False' }
      const state = isUp || behaviour.waiting === undefined ? {} : { waiting: behaviour.waiting }
      this.cluster.put({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          name,
          namespace: metadata.namespace ?? '',
          creationTimestamp: made,
          labels: { [`${SERVING}/revision`]: metadata.name },
        },
        status: {
          conditions: [condition],
          containerStatuses: [{ name: 'user-container', restartCount: behaviour.restarts ?? 0, state }],
        },
      })
    }
  }

  #serve(traffic: readonly TrafficTarget[], ready: ReadonlySet<string>): void {
    const seconds = (this.now - this.#last) / 1000
    const total = traffic.reduce((sum, { percent = 0 }) => sum + percent, 0)
    if (traffic.length > 0 && total !== 100) this.violations.push(`${total} % of the requests are routed`)
    for (const { revisionName: revision = '', percent = 0 } of traffic) {
      if (percent === 0) continue
      const { status } = this.cluster.find<Revision>('Revision', revision) ?? {}
      if (!this.shares.has(revision)) this.podsAtFirst.set(revision, status?.actualReplicas ?? 0)
      this.shares.set(revision, Math.max(percent, this.shares.get(revision) ?? 0))
      if (!ready.has(revision)) this.violations.push(`${revision} is not ready and gets ${percent} %`)
      const { errors, refusals, p95 } = this.behaviourOf(revision)
      const requests = Math.round((this.load * seconds * percent) / 100)
      if (requests === 0) continue
      this.#samples.push({
        revision,
        time: this.now,
        requests,
        errors: Math.round(requests * errors),
        refusals: Math.round(requests * refusals),
        p95,
      })
    }
  }

  #runJob(job: Job): void {
    const type = this.jobsFail ? 'Failed' : 'Complete'
    this.cluster.put({
      ...job,
      status: { conditions: [{ type, status: 'True', message: 'BackoffLimitExceeded' }] },
    })
  }

  #roll(deployment: Deployment): void {
    const { generation = 1 } = deployment.metadata
    const replicas = deployment.spec.replicas ?? 1
    const status = this.partsFail
      ? {
          observedGeneration: generation,
          replicas: replicas + 1,
          updatedReplicas: 1,
          availableReplicas: replicas,
          conditions: [
            {
              type: 'Progressing',
              status: 'False',
              reason: 'ProgressDeadlineExceeded',
              message: 'has timed out progressing',
            },
          ],
        }
      : { observedGeneration: generation, replicas, updatedReplicas: replicas, availableReplicas: replicas }
    this.cluster.put({ ...deployment, status })
  }

  #text(time: number): string {
    return `${new Date(time).toISOString().slice(0, 19)}Z`
  }
}

const revisionName = (service: string, generation: number) =>
  `${service}-${String(generation).padStart(5, '0')}`
