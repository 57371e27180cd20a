/**
 * From a recommendation to a number of pods: bounds, the way to zero, and whether the activator stays in the path
 * (Knative's pkg/reconciler/autoscaling/kpa).
 *
 * The last pod goes only after the function was active for a whole window, and after the activator has been in
 * the path for the grace period, so that no request meets a pod that is gone.
 */
import type { Recommendation } from './autoscaler.ts'
import { GRACE_SECONDS, PROGRESS_DEADLINE_SECONDS, type Scaling } from './scaling.ts'

/** `Proxy` sends requests through the activator, which can hold them; `Serve` sends them straight to the pods. */
export type Mode = 'Proxy' | 'Serve'

export interface Scaler {
  /** Pods to have from now on; nothing leaves them as they are. */
  decide(at: number, recommendation: Recommendation | undefined, readyPods: number): number | undefined
  readonly mode: Mode
}

/** The scaler of a function that has no pods yet. */
export function createScaler(scaling: Scaling): Scaler {
  const { minScale, maxScale, windowSeconds, podRetentionSeconds } = scaling
  let phase: 'inactive' | 'activating' | 'active' = 'inactive'
  let phaseSince = -Infinity
  let mode: Mode = 'Proxy'
  let modeSince = -Infinity
  let isInitialScaleReached = scaling.initialScale === 0

  function enter(next: typeof phase, at: number): void {
    if (next === phase) return
    phase = next
    phaseSince = at
  }

  function setMode(next: Mode, at: number): void {
    if (next === mode) return
    mode = next
    modeSince = at
  }

  function bound(pods: number): number {
    const least = isInitialScaleReached ? minScale : Math.max(minScale, scaling.initialScale)
    const bounded = Math.max(pods, least)
    return maxScale > 0 ? Math.min(bounded, maxScale) : bounded
  }

  /** Zero is wanted: first at most one pod until the window has passed, then none when nothing can be lost. */
  function approachZero(at: number): number | undefined {
    if (phase === 'activating' && at - phaseSince < PROGRESS_DEADLINE_SECONDS) return undefined
    if (phase === 'activating') enter('inactive', at)
    if (phase === 'active') {
      if (at - phaseSince < windowSeconds) return 1
      enter('inactive', at)
    }
    const inactive = at - phaseSince
    const proxied = mode === 'Proxy' ? at - modeSince : 0
    const isSafe = proxied >= GRACE_SECONDS && inactive >= podRetentionSeconds
    return isSafe || inactive >= Math.max(GRACE_SECONDS, podRetentionSeconds) ? 0 : undefined
  }

  return {
    decide(at, recommendation, readyPods) {
      if (readyPods >= Math.max(scaling.initialScale, minScale)) isInitialScaleReached = true
      const wanted = bound(recommendation?.pods ?? 0)
      if (wanted > 0) enter(readyPods > 0 ? 'active' : 'activating', at)
      const pods = wanted > 0 ? wanted : approachZero(at)
      const isShort = wanted === 0 || (recommendation?.excessBurstCapacity ?? -1) < 0
      setMode(isShort ? 'Proxy' : 'Serve', at)
      return pods
    },
    get mode() {
      return mode
    },
  }
}
