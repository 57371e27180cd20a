/**
 * A ready pod as requests see it, with the limit that Knative's queue-proxy puts before every pod: as many at once
 * as the function allows, ten times as many waiting, and no more.
 */
import { Pool } from 'undici'
import { Failure } from '../../../shared/failures.ts'

/** A request on its way to a pod. */
export interface Traveller {
  /** A slot is yours until you release it. */
  start(backend: Backend): void
  /** No pod will take you. */
  refuse(failure: Failure): void
}

export interface Backend {
  readonly port: number
  readonly pool: Pool
  /** Requests that it works on, not those that wait. */
  readonly inFlight: number
  readonly hasFreeSlot: boolean
  /** Starts the traveller, lets it wait, or refuses it. */
  take(traveller: Traveller): void
  /** Forgets one that waits; false where it does not. */
  withdraw(traveller: Traveller): boolean
  /** One that was started is over. */
  release(): void
  /** Calls back once nothing is in flight. */
  whenIdle(callback: () => void): void
  /** The pod is gone: whoever waits is refused, and connections are cut. */
  close(): Promise<void>
}

const WAITING_PER_SLOT = 10

/** The backend of the pod on `port`; `onFree` reports that a slot is free and nobody waits here for it. */
export function createBackend(port: number, containerConcurrency: number, onFree: () => void): Backend {
  const slots = containerConcurrency === 0 ? Infinity : containerConcurrency
  // Only `timeoutSeconds` of the Service limits a request, and the exchange enforces that.
  const pool = new Pool(`http://127.0.0.1:${port}`, { headersTimeout: 0, bodyTimeout: 0 })
  const waiting = new Set<Traveller>()
  let inFlight = 0
  let onIdle: (() => void) | undefined

  const backend: Backend = {
    port,
    pool,
    get inFlight() {
      return inFlight
    },
    get hasFreeSlot() {
      return inFlight < slots
    },
    take(traveller) {
      if (inFlight < slots) {
        inFlight += 1
        traveller.start(backend)
      } else if (waiting.size < slots * WAITING_PER_SLOT) waiting.add(traveller)
      else traveller.refuse(new Failure('DEPENDENCY_UNAVAILABLE', 'pending request queue full', RETRY))
    },
    withdraw: (traveller) => waiting.delete(traveller),
    release() {
      inFlight -= 1
      const [next] = waiting
      if (next === undefined) onFree()
      else {
        waiting.delete(next)
        backend.take(next)
      }
      if (inFlight === 0) onIdle?.()
    },
    whenIdle(callback) {
      if (inFlight === 0) callback()
      else onIdle = callback
    },
    async close() {
      const refused = [...waiting]
      waiting.clear()
      const failure = new Failure(
        'DEPENDENCY_UNAVAILABLE',
        'Cannot start the request: its pod went away',
        RETRY,
      )
      for (const traveller of refused) traveller.refuse(failure)
      await pool.destroy()
    },
  }
  return backend
}

const RETRY = { retryAfterSeconds: 1 }
