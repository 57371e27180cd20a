/** Whether a new revision has come up, and why not: Knative alone says of most reasons no more than that it waits. */
import type { Api } from './api.ts'
import { conditionOf, POD, type Pod, type Revision } from './objects.ts'

export interface Readiness {
  isReady: boolean
  /** Whether it will hardly come up by itself. */
  isFailing: boolean
  /** What stands in the way; empty where nothing is known. */
  why: string
}

/** Reasons of a waiting container that do not pass by themselves, or seldom. */
const LASTING = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'InvalidImageName',
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'CrashLoopBackOff',
])

/** How `revision` stands, from its conditions and its pods. */
export function readinessOf({ status }: Revision, pods: readonly Pod[]): Readiness {
  const ready = conditionOf(status?.conditions, 'Ready')
  if (ready?.status === 'True') return { isReady: true, isFailing: false, why: '' }
  const problems = pods.flatMap(problemsOf)
  const own = ready?.message || ready?.reason
  const reasons = [...(own === undefined ? [] : [own]), ...problems.map(({ why }) => why)]
  return {
    isReady: false,
    isFailing: ready?.status === 'False' || problems.some(({ isLasting }) => isLasting),
    why: [...new Set(reasons)].join('; '),
  }
}

function problemsOf({ metadata, status }: Pod): { why: string; isLasting: boolean }[] {
  const unscheduled = conditionOf(status?.conditions, 'PodScheduled')
  const waiting = (status?.containerStatuses ?? []).flatMap(({ name, state, lastState, restartCount }) => {
    const { reason, message } = state?.waiting ?? {}
    if (reason === undefined || reason === 'ContainerCreating' || reason === 'PodInitializing') return []
    const last = lastState?.terminated
    const ended =
      last === undefined
        ? ''
        : `, ended with code ${last.exitCode ?? '?'} (${last.reason ?? 'no reason'}), ${restartCount} restarts`
    const text = message === undefined ? reason : `${reason}: ${message}`
    return [
      { why: `pod ${metadata.name}, container ${name}: ${text}${ended}`, isLasting: LASTING.has(reason) },
    ]
  })
  if (unscheduled?.status !== 'False') return waiting
  // A node may be on its way, so this is no reason to give up before the deadline.
  const why = `pod ${metadata.name} finds no node: ${unscheduled.message ?? unscheduled.reason ?? 'no reason is given'}`
  return [{ why, isLasting: false }, ...waiting]
}

/** The pods of a revision. */
export function podsOf(api: Api, { metadata }: Revision): Promise<Pod[]> {
  return api.list<Pod>(POD, metadata.namespace ?? 'default', `serving.knative.dev/revision=${metadata.name}`)
}

/** Seconds from the making of a pod to its being ready, of those that are. */
export function startSecondsOf(pods: readonly Pod[]): Map<string, number> {
  const starts = pods.flatMap(({ metadata, status }): [string, number][] => {
    const ready = conditionOf(status?.conditions, 'Ready')
    if (
      ready?.status !== 'True' ||
      ready.lastTransitionTime === undefined ||
      metadata.creationTimestamp === undefined
    )
      return []
    return [
      [metadata.name, (Date.parse(ready.lastTransitionTime) - Date.parse(metadata.creationTimestamp)) / 1000],
    ]
  })
  return new Map(starts)
}

/** How often the program of a revision has ended by itself. */
export function restartsOf(pods: readonly Pod[]): number {
  const statuses = pods.flatMap(({ status }) => status?.containerStatuses ?? [])
  return statuses
    .filter(({ name }) => name !== 'queue-proxy')
    .reduce((sum, { restartCount }) => sum + restartCount, 0)
}
