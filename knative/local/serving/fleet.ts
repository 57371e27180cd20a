/**
 * The pods of one function: as many as asked for, started, replaced and drained.
 *
 * A pod that dies is replaced at once; where pods die before they are ready, after a growing pause. A pod that has to
 * go gets no new request, finishes what it has, and is then asked to stop.
 */
import { setTimeout as delay } from 'node:timers/promises'
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

/** Time for callers that know a pod's address to hear that it leaves. */
const LINGER_MILLISECONDS = 500
const STOP_GRACE_SECONDS = 10

/** Failed starts in a row after which requests no longer wait for the next attempt. */
const BROKEN_AFTER = 3
const FIRST_PAUSE_MILLISECONDS = 250
const LONGEST_PAUSE_MILLISECONDS = 10_000

/** A fleet without pods. */
export function createFleet(options: FleetOptions): Fleet {
  const { name, log, capacity } = options
  const members = new Set<Member>()
  let desired = 0
  let started = 0
  let failedStarts = 0
  let pauseUntil = 0
  let pause: NodeJS.Timeout | undefined

  const staying = () => [...members].filter((member) => !member.isLeaving)

  function reconcile(): void {
    const current = staying()
    for (const member of leastNeeded(current).slice(0, Math.max(0, current.length - desired)))
      void leave(member)
    for (let missing = desired - current.length; missing > 0; missing -= 1) {
      if (performance.now() < pauseUntil || !capacity.take(members.size === 0)) return
      start()
    }
  }

  function start(): void {
    started += 1
    const pod = startPod({
      name: `${name}-00001-${String(started).padStart(4, '0')}`,
      command: options.command,
      environment: options.environment,
      logDescriptor: options.logDescriptor,
      onReady: () => becomeReady(member),
      onExit: (exit) => remove(member, exit),
    })
    const member: Member = { pod, isLeaving: false }
    members.add(member)
  }

  function becomeReady(member: Member): void {
    const { pod } = member
    log.debug({ pod: pod.name, pid: pod.pid, port: pod.port }, 'pod is ready')
    failedStarts = 0
    member.backend = createBackend(pod.port, options.containerConcurrency, options.onFree)
    options.onReady(member.backend)
  }

  function remove(member: Member, exit: PodExit): void {
    const { pod } = member
    members.delete(member)
    capacity.giveBack()
    if (member.backend !== undefined) {
      if (!member.isLeaving) options.onLeave(member.backend)
      void member.backend.close()
    }
    if (exit.isExpected) return
    log.warn({ pod: pod.name, pid: pod.pid, reason: exit.reason }, 'pod died')
    if (!exit.wasReady) holdBack(exit.reason)
    reconcile()
  }

  /** A pod died before it was of any use; so will the next one, most likely. */
  function holdBack(reason: string): void {
    failedStarts += 1
    if (failedStarts >= BROKEN_AFTER) options.onBroken(reason)
    if (failedStarts < 2) return
    const milliseconds = Math.min(
      FIRST_PAUSE_MILLISECONDS * 2 ** (failedStarts - 2),
      LONGEST_PAUSE_MILLISECONDS,
    )
    pauseUntil = performance.now() + milliseconds
    clearTimeout(pause)
    pause = setTimeout(reconcile, milliseconds + 1).unref()
  }

  async function leave(member: Member): Promise<void> {
    await stopServing(member, options.drainSeconds)
    await delay(member.backend === undefined ? 0 : LINGER_MILLISECONDS)
    await member.pod.stop(STOP_GRACE_SECONDS)
  }

  /** Resolves when the pod has nothing in flight, or may no longer wait for it. */
  async function stopServing(member: Member, drainSeconds: number): Promise<void> {
    member.isLeaving = true
    if (member.backend === undefined) return
    options.onLeave(member.backend)
    const idle = Promise.withResolvers<void>()
    const patience = setTimeout(idle.resolve, drainSeconds * 1000)
    member.backend.whenIdle(idle.resolve)
    await idle.promise
    clearTimeout(patience)
  }

  return {
    resize(pods) {
      desired = pods
      reconcile()
    },
    get desired() {
      return desired
    },
    get readyCount() {
      return staying().filter((member) => member.backend !== undefined).length
    },
    get pods() {
      return [...members].map(toStatus)
    },
    async close(drainSeconds) {
      desired = 0
      clearTimeout(pause)
      await Promise.all(
        [...members].map((member) =>
          stopServing(member, drainSeconds).then(() => member.pod.stop(STOP_GRACE_SECONDS)),
        ),
      )
    },
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
