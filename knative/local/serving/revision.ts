/**
 * One function while the platform runs: the requests for it, its pods, and the autoscaler between the two.
 *
 * A request for a function that is scaled to zero starts a pod at once and waits for it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Failure } from '../../../shared/failures.ts'
import { createAutoscaler, type Autoscaler, type Recommendation } from './autoscaler.ts'
import { createBalancer, type Balancer } from './balancer.ts'
import { createConcurrencyMeter, type ConcurrencyMeter } from './concurrency-meter.ts'
import { Exchange, type Passage } from './exchange.ts'
import { createFleet, type Fleet, type FleetOptions, type PodStatus } from './fleet.ts'
import { createScaler, type Mode, type Scaler } from './scaler.ts'
import type { Scaling } from './scaling.ts'

export interface RevisionOptions extends Omit<
  FleetOptions,
  'onReady' | 'onLeave' | 'onFree' | 'onBroken' | 'containerConcurrency' | 'drainSeconds'
> {
  scaling: Scaling
  timeoutSeconds: number
  /** Seconds of Knative, which may pass faster than real ones. */
  clock: () => number
  onScale(name: string, from: number, to: number, reason: string): void
  /** Called when `endpoints` may have changed. */
  onChange(): void
}

export interface RevisionStatus {
  desired: number
  mode: Mode
  inFlight: number
  /** Requests that no pod has taken yet. */
  waiting: number
  pods: PodStatus[]
  isPanicking: boolean
}

export interface Revision {
  serve(request: IncomingMessage, response: ServerResponse): void
  /** To be called every second: reports to the autoscaler how busy the function was. */
  report(): void
  /** To be called every two seconds: scales. */
  tick(): void
  /** Adds concurrency that did not come through here, on average over a second. */
  addConcurrency(concurrency: number): void
  /** Where callers may go without the activator; empty while it is in the path. */
  readonly endpoints: string[]
  readonly status: RevisionStatus
  close(drainSeconds: number): Promise<void>
}

/** A function that runs on demand, from its Service. */
export const createRevision = (options: RevisionOptions): Revision => new LocalRevision(options)

class LocalRevision implements Revision {
  readonly #options: RevisionOptions
  readonly #autoscaler: Autoscaler
  readonly #scaler: Scaler
  readonly #balancer: Balancer
  readonly #meter: ConcurrencyMeter
  readonly #fleet: Fleet
  readonly #passage: Passage
  #elsewhere = 0
  /** What was reported ahead of time, so as not to report it twice. */
  #poked = 0
  #latest: Recommendation | undefined

  constructor(options: RevisionOptions) {
    const { name, scaling, clock, timeoutSeconds } = options
    this.#options = options
    this.#autoscaler = createAutoscaler(scaling)
    this.#scaler = createScaler(scaling)
    this.#balancer = createBalancer(scaling.containerConcurrency)
    this.#meter = createConcurrencyMeter(clock)
    this.#fleet = this.#createFleet()
    this.#passage = {
      name,
      timeoutSeconds,
      submit: (traveller) => this.#balancer.submit(traveller),
      withdraw: (traveller) => this.#balancer.withdraw(traveller),
      onOver: () => this.#meter.leave(),
    }
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    this.#meter.enter()
    new Exchange(request, response, this.#passage).begin()
    if (this.#fleet.desired === 0) this.#poke()
  }

  report(): void {
    const average = Math.max(0, this.#meter.takeAverage() - this.#poked) + this.#elsewhere
    this.#poked = 0
    this.#elsewhere = 0
    if (average > 0 || this.#meter.inFlight > 0 || this.#fleet.desired > 0)
      this.#autoscaler.record(this.#options.clock(), average)
  }

  tick(): void {
    const { name, scaling, clock, onScale, onChange } = this.#options
    const now = clock()
    const fleet = this.#fleet
    this.#latest = this.#autoscaler.recommend(now, fleet.readyCount)
    const pods = this.#scaler.decide(now, this.#latest, fleet.readyCount) ?? fleet.desired
    this.#balancer.mode = this.#scaler.mode
    if (pods !== fleet.desired) onScale(name, fleet.desired, pods, explain(this.#latest, scaling))
    fleet.resize(pods)
    onChange()
  }

  addConcurrency(concurrency: number): void {
    this.#elsewhere += concurrency
  }

  get endpoints(): string[] {
    const isDirect = this.#scaler.mode === 'Serve' && this.#options.scaling.containerConcurrency === 0
    const ready = isDirect ? this.#fleet.pods.filter(({ state }) => state === 'ready') : []
    return ready.map(({ port }) => `127.0.0.1:${port}`)
  }

  get status(): RevisionStatus {
    return {
      desired: this.#fleet.desired,
      mode: this.#scaler.mode,
      inFlight: this.#meter.inFlight,
      waiting: this.#balancer.waiting,
      pods: this.#fleet.pods,
      isPanicking: this.#latest?.isPanicking ?? false,
    }
  }

  close(drainSeconds: number): Promise<void> {
    this.#refuseWaiting('shutting down')
    return this.#fleet.close(drainSeconds)
  }

  #createFleet(): Fleet {
    const { onChange, scaling, timeoutSeconds } = this.#options
    return createFleet({
      ...this.#options,
      containerConcurrency: scaling.containerConcurrency,
      drainSeconds: timeoutSeconds,
      onReady: (backend) => {
        this.#balancer.add(backend)
        onChange()
      },
      onLeave: (backend) => {
        this.#balancer.remove(backend)
        onChange()
      },
      onFree: () => this.#balancer.advance(),
      onBroken: (reason) => this.#refuseWaiting(reason),
    })
  }

  #refuseWaiting(reason: string): void {
    const { name } = this.#options
    const failure = new Failure('DEPENDENCY_UNAVAILABLE', `Cannot start function "${name}": ${reason}`, {
      retryAfterSeconds: 1,
    })
    for (const traveller of this.#balancer.withdrawAll()) traveller.refuse(failure)
  }

  /** Knative's activator reports the first request at once, for nothing else would wake the function. */
  #poke(): void {
    this.#poked = 1
    this.#autoscaler.record(this.#options.clock(), this.#poked)
    this.tick()
  }
}

function explain(recommendation: Recommendation | undefined, { target }: Scaling): string {
  if (recommendation === undefined) return 'no requests'
  const { stableConcurrency, panicConcurrency, isPanicking } = recommendation
  const averages = `${stableConcurrency} in flight, ${panicConcurrency} lately, ${target} wanted per pod`
  return isPanicking ? `panic: ${averages}` : averages
}
