/**
 * One function while the platform runs: the requests for it, its pods, and the autoscaler between the two.
 *
 * A request for a function that is scaled to zero starts a pod at once and waits for it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Failure } from '../../../shared/failures.ts'
import { createAutoscaler, type Recommendation } from './autoscaler.ts'
import { createBalancer } from './balancer.ts'
import { createConcurrencyMeter } from './concurrency-meter.ts'
import { Exchange, type Passage } from './exchange.ts'
import { createFleet, type FleetOptions, type PodStatus } from './fleet.ts'
import { createScaler, type Mode } from './scaler.ts'
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
  /** To be called every second: tells the autoscaler how busy the function was. */
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
export function createRevision(options: RevisionOptions): Revision {
  const { name, scaling, clock } = options
  const autoscaler = createAutoscaler(scaling)
  const scaler = createScaler(scaling)
  const balancer = createBalancer(scaling.containerConcurrency)
  const meter = createConcurrencyMeter(clock)
  let elsewhere = 0
  /** What was reported ahead of time, so as not to report it twice. */
  let poked = 0
  let latest: Recommendation | undefined

  const fleet = createFleet({
    ...options,
    containerConcurrency: scaling.containerConcurrency,
    drainSeconds: options.timeoutSeconds,
    onReady(backend) {
      balancer.add(backend)
      options.onChange()
    },
    onLeave(backend) {
      balancer.remove(backend)
      options.onChange()
    },
    onFree: () => balancer.advance(),
    onBroken: refuseWaiting,
  })

  function refuseWaiting(reason: string): void {
    const failure = new Failure('DEPENDENCY_UNAVAILABLE', `Cannot start function "${name}": ${reason}`, {
      retryAfterSeconds: 1,
    })
    for (const traveller of balancer.withdrawAll()) traveller.refuse(failure)
  }

  const passage: Passage = {
    name,
    timeoutSeconds: options.timeoutSeconds,
    submit: (traveller) => balancer.submit(traveller),
    withdraw: (traveller) => balancer.withdraw(traveller),
    onOver: () => meter.leave(),
  }

  /** Knative's activator tells of the first request at once, for nothing else would wake the function. */
  function poke(): void {
    poked = 1
    autoscaler.record(clock(), poked)
    tick()
  }

  function tick(): void {
    const now = clock()
    latest = autoscaler.recommend(now, fleet.readyCount)
    const pods = scaler.decide(now, latest, fleet.readyCount) ?? fleet.desired
    balancer.mode = scaler.mode
    if (pods !== fleet.desired) options.onScale(name, fleet.desired, pods, explain(latest, scaling))
    fleet.resize(pods)
    options.onChange()
  }

  return {
    serve(request, response) {
      meter.enter()
      new Exchange(request, response, passage).begin()
      if (fleet.desired === 0) poke()
    },
    report() {
      const average = Math.max(0, meter.takeAverage() - poked) + elsewhere
      poked = 0
      elsewhere = 0
      if (average > 0 || meter.inFlight > 0 || fleet.desired > 0) autoscaler.record(clock(), average)
    },
    tick,
    addConcurrency(concurrency) {
      elsewhere += concurrency
    },
    get endpoints() {
      const isDirect = scaler.mode === 'Serve' && scaling.containerConcurrency === 0
      const ready = isDirect ? fleet.pods.filter(({ state }) => state === 'ready') : []
      return ready.map(({ port }) => `127.0.0.1:${port}`)
    },
    get status() {
      return {
        desired: fleet.desired,
        mode: scaler.mode,
        inFlight: meter.inFlight,
        waiting: balancer.waiting,
        pods: fleet.pods,
        isPanicking: latest?.isPanicking ?? false,
      }
    },
    close(drainSeconds) {
      refuseWaiting('shutting down')
      return fleet.close(drainSeconds)
    },
  }
}

function explain(recommendation: Recommendation | undefined, { target }: Scaling): string {
  if (recommendation === undefined) return 'no requests'
  const { stableConcurrency, panicConcurrency, isPanicking } = recommendation
  const averages = `${stableConcurrency} in flight, ${panicConcurrency} lately, ${target} wanted per pod`
  return isPanicking ? `panic: ${averages}` : averages
}
