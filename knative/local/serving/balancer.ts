/**
 * Which pod takes a request, and where requests wait while none can: Knative's activator, and its ingress once the
 * activator is out of the path.
 *
 * Requests wait without a limit but their own timeout, first come first served.
 */
import type { Backend, Traveller } from './backend.ts'
import type { Mode } from './scaler.ts'

export interface Balancer {
  /** Hands `traveller` to a pod, now or as soon as one can take it. */
  submit(traveller: Traveller): void
  /** Forgets one that still waits, here or at a pod; false where it does not. */
  withdraw(traveller: Traveller): boolean
  add(backend: Backend): void
  remove(backend: Backend): void
  /** A slot may be free: whoever waits goes on. */
  advance(): void
  /** Takes back all that wait. */
  withdrawAll(): Traveller[]
  mode: Mode
  readonly waiting: number
}

/** Up to this concurrency, pods are filled one after the other; above, in turns. */
const FILLED_IN_ORDER = 3

/** A balancer without pods. */
export function createBalancer(containerConcurrency: number): Balancer {
  const backends: Backend[] = []
  const waiting = new Set<Traveller>()
  let turn = 0

  function inTurn(isEligible: (backend: Backend) => boolean): Backend | undefined {
    for (let step = 0; step < backends.length; step += 1) {
      turn = (turn + 1) % backends.length
      const backend = backends[turn]
      if (backend !== undefined && isEligible(backend)) return backend
    }
    return undefined
  }

  /** As the activator chooses: a pod with a free slot, or none. */
  function pickFree(): Backend | undefined {
    if (containerConcurrency === 0) return pickLessLoaded(backends)
    if (containerConcurrency <= FILLED_IN_ORDER) return backends.find((each) => each.hasFreeSlot)
    return inTurn((each) => each.hasFreeSlot)
  }

  /** Without the activator nothing chooses a free slot: pods in turns, each with its own short queue. */
  function pick(): Backend | undefined {
    return containerConcurrency > 0 && balancer.mode === 'Serve' ? inTurn(() => true) : pickFree()
  }

  const balancer: Balancer = {
    mode: 'Proxy',
    get waiting() {
      return waiting.size
    },
    submit(traveller) {
      const backend = waiting.size === 0 ? pick() : undefined
      if (backend === undefined) waiting.add(traveller)
      else backend.take(traveller)
    },
    withdraw(traveller) {
      return waiting.delete(traveller) || backends.some((backend) => backend.withdraw(traveller))
    },
    add(backend) {
      backends.push(backend)
      balancer.advance()
    },
    remove(backend) {
      const index = backends.indexOf(backend)
      if (index >= 0) backends.splice(index, 1)
    },
    advance() {
      for (const traveller of waiting) {
        const backend = pickFree()
        if (backend === undefined) return
        waiting.delete(traveller)
        backend.take(traveller)
      }
    },
    withdrawAll() {
      const all = [...waiting]
      waiting.clear()
      return all
    },
  }
  return balancer
}

/** The less loaded of two at random: nearly as even as comparing all, and no herd on the least loaded. */
function pickLessLoaded(backends: readonly Backend[]): Backend | undefined {
  const one = Math.floor(Math.random() * backends.length)
  const other = Math.floor(Math.random() * (backends.length - 1))
  const first = backends[one]
  const second = backends[other < one ? other : other + 1]
  if (first === undefined || second === undefined) return first
  return second.inFlight < first.inFlight ? second : first
}
