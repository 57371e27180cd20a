/**
 * The pods of one function: as many as requested, started, replaced and drained.
 *
 * A pod that dies is replaced at once; where pods die before they are ready, after a growing pause. A pod that has to
 * go gets no new request, finishes what it has, and is then stopped.
 */
import type { Log } from '../../../shared/telemetry/log.ts'
import { createBackend, type Backend } from './backend.ts'
import type { Capacity } from './capacity.ts'
import { startPod, type Pod, type PodExit } from './pod.ts'

export interface FleetOptions {
  name: string
  command: readonly [string, ...string[]]
  environment: Record<string, string>
  logDescriptor: number
  containerConcurrency: number
  /** How long requests in flight may hold up a pod that has to go. */
  drainSeconds: number
  capacity: Capacity
  log: Log
  onReady(backend: Backend): void
  /** No new request may go there. */
  onLeave(backend: Backend): void
  /** A slot became free. */
  onFree(): void
  /** Pods die before they are ready, one after the other. */
  onBroken(reason: string): void
}

export interface PodStatus {
  name: string
  pid: number | undefined
  port: number
  state: 'starting' | 'ready' | 'leaving'
  inFlight: number
}

export interface Fleet {
  /** Aims at so many pods; call it again, with the same number, to try again what could not be done. */
  resize(pods: number): void
  readonly desired: number
  readonly readyCount: number
  readonly pods: PodStatus[]
  /** Ends all pods; those with requests in flight after `drainSeconds` at most. */
  close(drainSeconds: number): Promise<void>
}

interface Member {
  pod: Pod
  backend?: Backend
  isLeaving: boolean
}

const STOP_GRACE_SECONDS = 10

/** Failed starts in a row after which requests no longer wait for the next attempt. */
const BROKEN_AFTER = 3
const FIRST_PAUSE_MS = 250
const MAX_PAUSE_MS = 10_000

/** A fleet without pods. */
export const createFleet = (options: FleetOptions): Fleet => new LocalFleet(options)

class LocalFleet implements Fleet {
  desired = 0
  readonly #options: FleetOptions
  readonly #members = new Set<Member>()
  #started = 0
  #failedStarts = 0
  #pauseUntil = 0
  #pause: NodeJS.Timeout | undefined

  constructor(options: FleetOptions) {
    this.#options = options
  }

  resize(pods: number): void {
    this.desired = pods
    this.#reconcile()
  }

  get readyCount(): number {
    return this.#staying().filter((member) => member.backend !== undefined).length
  }

  get pods(): PodStatus[] {
    return [...this.#members].map(toStatus)
  }

  async close(drainSeconds: number): Promise<void> {
    this.desired = 0
    clearTimeout(this.#pause)
    await Promise.all(
      [...this.#members].map((member) =>
        this.#stopServing(member, drainSeconds).then(() => member.pod.stop(STOP_GRACE_SECONDS)),
      ),
    )
  }

  #staying(): Member[] {
    return [...this.#members].filter((member) => !member.isLeaving)
  }

  #reconcile(): void {
    const { capacity } = this.#options
    const current = this.#staying()
    for (const member of leastNeeded(current).slice(0, Math.max(0, current.length - this.desired)))
      void this.#leave(member)
    for (let missing = this.desired - current.length; missing > 0; missing -= 1) {
      if (performance.now() < this.#pauseUntil || !capacity.take(this.#members.size === 0)) return
      this.#start()
    }
  }

  #start(): void {
    const { name, command, environment, logDescriptor } = this.#options
    this.#started += 1
    const pod = startPod({
      name: `${name}-00001-${String(this.#started).padStart(4, '0')}`,
      command,
      environment,
      logDescriptor,
      onReady: () => this.#becomeReady(member),
      onExit: (exit) => this.#remove(member, exit),
    })
    const member: Member = { pod, isLeaving: false }
    this.#members.add(member)
  }

  #becomeReady(member: Member): void {
    const { log, containerConcurrency, onFree, onReady } = this.#options
    const { pod } = member
    log.debug({ pod: pod.name, pid: pod.pid, port: pod.port }, 'pod is ready')
    this.#failedStarts = 0
    member.backend = createBackend(pod.port, containerConcurrency, onFree)
    onReady(member.backend)
  }

  #remove(member: Member, exit: PodExit): void {
    const { log, capacity, onLeave } = this.#options
    const { pod } = member
    this.#members.delete(member)
    capacity.giveBack()
    if (member.backend !== undefined) {
      if (!member.isLeaving) onLeave(member.backend)
      void member.backend.close()
    }
    if (exit.isExpected) return
    log.warn({ pod: pod.name, pid: pod.pid, reason: exit.reason }, 'pod died')
    if (!exit.wasReady) this.#holdBack(exit.reason)
    this.#reconcile()
  }

  /** A pod died before it was of any use; so will the next one, most likely. */
  #holdBack(reason: string): void {
    this.#failedStarts += 1
    if (this.#failedStarts >= BROKEN_AFTER) this.#options.onBroken(reason)
    if (this.#failedStarts < 2) return
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (this.#failedStarts - 2), MAX_PAUSE_MS)
    this.#pauseUntil = performance.now() + pauseMs
    clearTimeout(this.#pause)
    this.#pause = setTimeout(() => this.#reconcile(), pauseMs + 1).unref()
  }

  async #leave(member: Member): Promise<void> {
    await this.#stopServing(member, this.#options.drainSeconds)
    await member.pod.stop(STOP_GRACE_SECONDS)
  }

  /** Resolves when the pod has nothing in flight, or may no longer wait for it. */
  async #stopServing(member: Member, drainSeconds: number): Promise<void> {
    member.isLeaving = true
    if (member.backend === undefined) return
    this.#options.onLeave(member.backend)
    const idle = Promise.withResolvers<void>()
    const patience = setTimeout(idle.resolve, drainSeconds * 1000)
    member.backend.whenIdle(idle.resolve)
    await idle.promise
    clearTimeout(patience)
    // A function that is to stop waits until its callers have closed their connections; a pod may be gone by now.
    void member.backend.pool.close().catch(() => undefined)
  }
}

/** Those that are not ready first, then those with the least to do. */
function leastNeeded(members: Member[]): Member[] {
  return members.toSorted((a, b) => (a.backend?.inFlight ?? -1) - (b.backend?.inFlight ?? -1))
}

function toStatus({ pod, backend, isLeaving }: Member): PodStatus {
  const state = isLeaving ? 'leaving' : backend === undefined ? 'starting' : 'ready'
  return { name: pod.name, pid: pod.pid, port: pod.port, state, inFlight: backend?.inFlight ?? 0 }
}
