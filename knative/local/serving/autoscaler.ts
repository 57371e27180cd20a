/**
 * How many pods a function should have: Knative's pod autoscaler (pkg/autoscaler/scaling/autoscaler.go).
 *
 * The stable window decides slowly. When the panic window wants twice the pods that are ready, it takes over, and
 * while it is in charge nothing is scaled down. Pure but for what it remembers; the caller brings the time.
 */
import { createConcurrencyWindow } from './concurrency-window.ts'
import { MAX_SCALE_DOWN_RATE, MAX_SCALE_UP_RATE, type Scaling } from './scaling.ts'

/** What the averages recommend, before bounds and scale to zero. */
export interface Recommendation {
  pods: number
  /** Below 0 the ready pods cannot absorb a burst, and the activator has to be in the path. */
  excessBurstCapacity: number
  stableConcurrency: number
  panicConcurrency: number
  isPanicking: boolean
}

export interface Autoscaler {
  /** Notes how many requests were in flight, on average, in the second before `at`. */
  record(at: number, concurrency: number): void
  /** What to do at `at` with so many pods ready; nothing where there is nothing to decide from. */
  recommend(at: number, readyPods: number): Recommendation | undefined
}

/** An autoscaler that knows nothing yet. */
export function createAutoscaler(scaling: Scaling): Autoscaler {
  const stable = createConcurrencyWindow(scaling.windowSeconds)
  const panic = createConcurrencyWindow(scaling.panicWindowSeconds)
  const delayed = createMaximum(scaling.scaleDownDelaySeconds)
  let panicSince: number | undefined
  let panicPods = 0

  /** Raises what panic holds on to, or ends it after a whole stable window without one. */
  function updatePanic(at: number, isOver: boolean): void {
    if (isOver) panicSince = at
    else if (panicSince !== undefined && panicSince + scaling.windowSeconds < at) {
      panicSince = undefined
      panicPods = 0
    }
  }

  return {
    record(at, concurrency) {
      stable.record(at, concurrency)
      panic.record(at, concurrency)
    },
    recommend(at, readyPods) {
      if (stable.isEmpty(at)) return undefined
      const stableConcurrency = stable.average(at)
      const panicConcurrency = panic.average(at)
      const ready = Math.max(1, readyPods)
      const wanted = Math.ceil(panicConcurrency / scaling.target)
      updatePanic(at, wanted / ready >= scaling.panicThreshold)

      let pods = limit(Math.ceil(stableConcurrency / scaling.target), ready, scaling)
      if (panicSince !== undefined) {
        panicPods = Math.max(panicPods, pods, limit(wanted, ready, scaling))
        pods = panicPods
      }
      return {
        pods: delayed(at, pods),
        excessBurstCapacity: findExcessBurstCapacity(scaling, readyPods, panicConcurrency),
        stableConcurrency,
        panicConcurrency,
        isPanicking: panicSince !== undefined,
      }
    },
  }
}

/** No tick changes the number of pods by more than the rates allow, whatever the averages are. */
function limit(wanted: number, ready: number, { activationScale }: Scaling): number {
  const most = Math.ceil(ready * MAX_SCALE_UP_RATE)
  const least = Math.floor(ready / MAX_SCALE_DOWN_RATE)
  const pods = Math.min(Math.max(wanted, least), most)
  return wanted > 0 ? Math.max(pods, activationScale) : pods
}

function findExcessBurstCapacity(scaling: Scaling, readyPods: number, panicConcurrency: number): number {
  const { targetBurstCapacity, total } = scaling
  if (targetBurstCapacity <= 0) return targetBurstCapacity
  return Math.floor(readyPods * total - targetBurstCapacity - panicConcurrency)
}

/** The largest value of the last `seconds`; with 0, the value itself. */
function createMaximum(seconds: number): (at: number, value: number) => number {
  let recent: { at: number; value: number }[] = []
  return (at, value) => {
    recent = recent.filter((each) => each.at > at - seconds && each.value > value)
    recent.push({ at, value })
    return recent[0]?.value ?? value
  }
}
