/**
 * The canary of one Service: the new revision gets no requests, then 10, 50 and 100 percent, or none again.
 *
 * Each step is decided by what is in the cluster when it begins, and ends with one write. So a deploy that was interrupted,
 * wherever it was, goes on when it is run again.
 */
import { Conflict, Refused } from './api-errors.ts'
import { awaitRevision, generationOf } from './await-revision.ts'
import type { Deploy, Outcome } from './deploy.ts'
import { conditionOf, REVISION, SERVICE, type Revision, type Service } from './objects.ts'
import { observe } from './observe.ts'
import { STEPS } from './rules.ts'
import {
  ANNOTATIONS,
  begin,
  hashOf,
  isSame,
  phaseOf,
  runningRevisionOf,
  settle,
  shift,
  takeBack,
  withManifest,
  type Phase,
} from './service-state.ts'
import { keepWarm, letCool, warmPodsOf } from './warm.ts'

const MAX_CONFLICTS = 20

/** What to do about requests that are split by hand. */
export function splitBySomebody(name: string): string {
  return `its requests are split by somebody else; kn service update ${name} --traffic @latest=100 ends that`
}

type Trying = Extract<Phase, { kind: 'trying' }>
type Restoring = Extract<Phase, { kind: 'restoring' }>

/** Brings the Service to the template of `desired`, or back to where it was. */
export async function deployService(desired: Service, deploy: Deploy): Promise<Outcome> {
  const canary = new Canary(desired, deploy)
  for (let conflicts = 0; ;) {
    try {
      const outcome = await canary.advance()
      if (outcome !== undefined) return { name: desired.metadata.name, ...outcome }
    } catch (error) {
      conflicts += 1
      if (!(error instanceof Conflict) || conflicts > MAX_CONFLICTS) throw error
      await deploy.clock.sleep(1)
    }
  }
}

type Ending = Omit<Outcome, 'name'> | undefined

class Canary {
  readonly #desired: Service
  readonly #deploy: Deploy
  /** Whether a step had too few requests to be decided by them. */
  #isQuiet = false

  constructor(desired: Service, deploy: Deploy) {
    this.#desired = desired
    this.#deploy = deploy
  }

  /** One step from where the cluster is now; undefined where there is another one. */
  async advance(): Promise<Ending> {
    const live = await this.#read()
    if (live === undefined) return this.#create()
    const phase = phaseOf(live)
    if (phase.kind === 'steady') return this.#start(live)
    if (phase.kind === 'trying') return this.#try(live, phase)
    if (phase.kind === 'restoring') return this.#restore(live, phase)
    throw new Refused(`Cannot deploy ${live.metadata.name}: ${splitBySomebody(live.metadata.name)}`)
  }

  #read(): Promise<Service | undefined> {
    const { namespace, name } = this.#desired.metadata
    return this.#deploy.api.get<Service>(SERVICE, namespace, name)
  }

  #report(text: string): void {
    this.#deploy.report(this.#desired.metadata.name, text)
  }

  async #create(): Promise<Ending> {
    this.#report('is new: makes it')
    return this.#awaitFirst(await this.#deploy.api.create(withManifest(this.#desired, this.#desired)))
  }

  /** There is nothing to compare with and nothing to protect. */
  async #awaitFirst(live: Service): Promise<Ending> {
    const { revision, why } = await awaitRevision(live, this.#deploy, { warm: false })
    return revision === undefined ? { kind: 'failed', why } : { kind: 'ready' }
  }

  /** Whether the API server makes of our template the one that is there; it fills in what we leave open. */
  async #isThere(live: Service): Promise<boolean> {
    const { template } = this.#desired.spec
    const preview = await this.#deploy.api.replace(
      { ...live, spec: { ...live.spec, template } },
      { dryRun: true },
    )
    return isSame(preview.spec.template, live.spec.template)
  }

  async #start(live: Service): Promise<Ending> {
    if (await this.#isThere(live)) return this.#keep(live)
    const running = runningRevisionOf(live)
    if (running === undefined) {
      this.#report('has never been ready: gives it the new template')
      const { template } = this.#desired.spec
      const next = (fresh: Service) => settle({ ...fresh, spec: { ...fresh.spec, template } }, this.#desired)
      return this.#awaitFirst(await this.#update(live, next))
    }
    await this.#begin(live, running)
    return undefined
  }

  async #keep(live: Service): Promise<Ending> {
    const { metadata, status } = live
    const isLabelled = isWithin(this.#desired.metadata.labels, metadata.labels)
    const isAnnotated = isWithin(this.#desired.metadata.annotations, metadata.annotations)
    if (!isLabelled || !isAnnotated) {
      await this.#update(live, (fresh) => withManifest(fresh, this.#desired))
      return { kind: 'updated' }
    }
    const isReady = conditionOf(status?.conditions, 'Ready')?.status === 'True'
    return isReady ? { kind: 'unchanged' } : this.#awaitFirst(live)
  }

  async #begin(live: Service, previous: string): Promise<void> {
    this.#report(`tries a new revision beside ${previous}, which keeps all requests`)
    const generation = await generationOf(this.#deploy, live)
    await this.#update(live, (fresh) => begin(fresh, this.#desired, previous, generation))
  }

  async #try(live: Service, phase: Trying): Promise<Ending> {
    const previous = await this.#revision(phase.previous)
    if (this.#deploy.stopped.because !== undefined)
      return this.#takeBack(live, previous, this.#deploy.stopped.because)
    if (!(await this.#isThere(live))) {
      this.#report('its template is not ours: begins again')
      await this.#begin(live, phase.previous)
      return undefined
    }
    await keepWarm(this.#deploy.api, previous)
    if (phase.candidate === undefined || phase.percent === 0) return this.#awaitCandidate(live, previous)
    const candidate = await this.#revision(phase.candidate)
    await keepWarm(this.#deploy.api, candidate)
    const { problems, probed } = await observe({ live, previous, candidate }, this.#deploy, this.#isQuiet)
    this.#isQuiet ||= probed
    if (problems.length > 0) return this.#takeBack(live, previous, problems.join('; '))
    const next = STEPS.find((step) => step > phase.percent)
    if (next === undefined) return this.#promote(live, candidate)
    await this.#shift(live, previous, candidate, next)
    return undefined
  }

  async #awaitCandidate(live: Service, previous: Revision): Promise<Ending> {
    const { revision, why } = await awaitRevision(live, this.#deploy, { warm: true })
    if (revision === undefined) return this.#takeBack(live, previous, why)
    await this.#shift(live, previous, revision, STEPS[0])
    return undefined
  }

  async #shift(live: Service, previous: Revision, candidate: Revision, percent: number): Promise<void> {
    await this.#makeRoom(candidate, previous, percent, () => this.#deploy.stopped.because !== undefined)
    const [from, to] = [previous.metadata.name, candidate.metadata.name]
    await this.#update(live, (fresh) => shift(fresh, from, to, percent))
    this.#report(`${to} gets ${percent} % of the requests`)
  }

  /** As many pods as its share of the requests needs, before it gets them: the autoscaler would only follow. */
  async #makeRoom(
    { metadata: { name } }: Revision,
    previous: Revision,
    percent: number,
    isStopped: () => boolean,
  ): Promise<void> {
    const { api, clock, rules } = this.#deploy
    const pods = Math.ceil((warmPodsOf(await this.#revision(previous.metadata.name)) * percent) / 100)
    await keepWarm(api, await this.#revision(name), pods)
    const end = clock.now() + rules.readySeconds * 1000
    for (;;) {
      const { status } = await this.#revision(name)
      if ((status?.actualReplicas ?? 0) >= pods || isStopped()) return
      if (clock.now() >= end) return this.#report(`${name} has no room for ${pods} pods: goes on with fewer`)
      await clock.sleep(rules.pollSeconds)
    }
  }

  async #promote(live: Service, candidate: Revision): Promise<Ending> {
    await this.#letAllCool()
    await this.#update(live, (fresh) => settle(fresh, this.#desired))
    this.#report(`${candidate.metadata.name} has all requests`)
    return { kind: 'promoted' }
  }

  async #takeBack(live: Service, previous: Revision, why: string): Promise<Ending> {
    this.#stopOthers()
    const generation = await generationOf(this.#deploy, live)
    await this.#update(live, (fresh) => takeBack(fresh, previous, why, generation))
    this.#report(`${previous.metadata.name} has all requests again: ${why}`)
    return undefined
  }

  /** At once, and not only when this one is where it was. */
  #stopOthers(): void {
    this.#deploy.stopped.because ??= `${this.#desired.metadata.name} of the same deploy is bad`
  }

  /** The Service gets its former template again, as a new revision: that is what it serves when nothing is pinned. */
  async #restore(live: Service, phase: Restoring): Promise<Ending> {
    if (live.metadata.annotations?.[ANNOTATIONS.candidate] !== hashOf(this.#desired.spec.template)) {
      this.#report('an earlier deploy was taken back: tries another template')
      await this.#begin(live, phase.previous)
      return undefined
    }
    this.#stopOthers()
    const previous = await this.#revision(phase.previous)
    const { revision: copy, why } = await awaitRevision(
      live,
      { ...this.#deploy, stopped: {} },
      { warm: true },
    )
    if (copy === undefined) {
      const rest = `${phase.previous} keeps all requests, and the revision that is to follow it does not come up: ${why}`
      return { kind: 'failed', why: `${phase.reason}. ${rest}` }
    }
    await this.#makeRoom(copy, previous, 100, () => false)
    await this.#letAllCool()
    await this.#update(live, (fresh) => settle(fresh))
    return { kind: 'rolled back', why: phase.reason }
  }

  /** Also what deploys before this one have tried. Scaling down takes a minute, and what is left takes less. */
  async #letAllCool(): Promise<void> {
    const { api } = this.#deploy
    const { namespace = 'default', name } = this.#desired.metadata
    const revisions = await api.list<Revision>(REVISION, namespace, `serving.knative.dev/service=${name}`)
    for (const revision of revisions) await letCool(api, revision)
  }

  async #revision(name: string): Promise<Revision> {
    const { namespace, name: service } = this.#desired.metadata
    const revision = await this.#deploy.api.get<Revision>(REVISION, namespace, name)
    if (revision !== undefined) return revision
    throw new Refused(`Cannot deploy ${service}: its revision "${name}" has been deleted`)
  }

  /**
   * Writes what follows from `live`. Its status changes all the time; where anything else did, the step is decided anew.
   *
   * @throws Conflict where it did
   */
  async #update(live: Service, change: (fresh: Service) => Service): Promise<Service> {
    for (let attempt = 0; ; attempt += 1) {
      const fresh = await this.#read()
      if (fresh === undefined || fresh.metadata.generation !== live.metadata.generation)
        throw new Conflict(`${live.metadata.name} has been changed meanwhile`)
      try {
        return await this.#deploy.api.replace(change(fresh))
      } catch (error) {
        if (!(error instanceof Conflict) || attempt >= MAX_CONFLICTS) throw error
      }
    }
  }
}

function isWithin(
  part: Record<string, string> | undefined,
  whole: Record<string, string> | undefined,
): boolean {
  return Object.entries(part ?? {}).every(([name, value]) => whole?.[name] === value)
}
