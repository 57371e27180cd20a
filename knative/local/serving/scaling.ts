/**
 * How one function scales: read from its Service, with Knative's defaults (config-autoscaler) for what it leaves out.
 *
 * What the stand-in cannot do is refused when it starts, and not ignored silently.
 */
import type { KnativeService } from '../../objects.ts'

/** Times in seconds of Knative, which the stand-in may let pass faster. */
export interface Scaling {
  /** Requests one pod takes at once; 0 is no limit. */
  containerConcurrency: number
  /** Concurrent requests per pod that the autoscaler aims at. */
  target: number
  /** Concurrent requests that a pod is counted to hold; `target` is a fraction of it. */
  total: number
  minScale: number
  /** 0 is no limit. */
  maxScale: number
  initialScale: number
  /** Pods to start with when there is any demand. */
  activationScale: number
  windowSeconds: number
  panicWindowSeconds: number
  /** Pods wanted by the panic window, over pods ready, from which on it is a panic. */
  panicThreshold: number
  scaleDownDelaySeconds: number
  /** Time for which the last pod is kept once nothing wants it. */
  podRetentionSeconds: number
  /** Room for a burst, below which the activator stays in the path; -1 keeps it there always, 0 only without pods. */
  targetBurstCapacity: number
}

/** Knative's own constants. */
export const TICK_SECONDS = 2
export const GRACE_SECONDS = 30
/** Time that a function has to start its first pod before it is given up. */
export const PROGRESS_DEADLINE_SECONDS = 600
export const MAX_SCALE_UP_RATE = 1000
export const MAX_SCALE_DOWN_RATE = 2

const DEFAULT_TARGET = 100
const DEFAULT_UTILIZATION_PERCENTAGE = 70
const MINIMUM_TARGET = 0.01
const PREFIX = 'autoscaling.knative.dev/'

/** Knative starts each new revision with one pod; here it starts with none, as with `allow-zero-initial-scale`. */
const DEFAULT_INITIAL_SCALE = 0

/** Annotations whose one supported value is what they mean when absent. */
const FIXED: Record<string, string> = {
  class: 'kpa.autoscaling.knative.dev',
  metric: 'concurrency',
  'metric-aggregation-algorithm': 'linear',
}

const KNOWN = new Set([
  'target',
  'target-utilization-percentage',
  'target-burst-capacity',
  'min-scale',
  'max-scale',
  'initial-scale',
  'activation-scale',
  'window',
  'panic-window-percentage',
  'panic-threshold-percentage',
  'scale-down-delay',
  'scale-to-zero-pod-retention-period',
])

/**
 * Reads the scaling of `service`.
 *
 * @throws TypeError naming the Service and the annotation that is unknown, malformed or not supported here
 */
export function readScaling(service: KnativeService): Scaling {
  const { name } = service.metadata
  const annotations = readAnnotations(service)
  const number = (key: string, otherwise: number) => {
    const text = annotations.get(key)
    const value = text === undefined ? otherwise : Number(text)
    if (Number.isNaN(value) || text === '') throw refuse(name, key, text, 'it is not a number')
    return value
  }
  const seconds = (key: string, otherwise: number) => {
    const text = annotations.get(key)
    return text === undefined ? otherwise : (readGoDuration(text) ?? refuseDuration(name, key, text))
  }
  const { containerConcurrency } = service.spec.template.spec
  const total = readTotal(containerConcurrency, number('target', 0))
  const windowSeconds = seconds('window', 60)
  return {
    containerConcurrency,
    total,
    target: Math.max(
      MINIMUM_TARGET,
      (total * number('target-utilization-percentage', DEFAULT_UTILIZATION_PERCENTAGE)) / 100,
    ),
    minScale: number('min-scale', 0),
    maxScale: number('max-scale', 0),
    initialScale: number('initial-scale', DEFAULT_INITIAL_SCALE),
    activationScale: number('activation-scale', 1),
    windowSeconds,
    panicWindowSeconds: Math.max(
      1,
      Math.round((windowSeconds * number('panic-window-percentage', 10)) / 100),
    ),
    panicThreshold: number('panic-threshold-percentage', 200) / 100,
    scaleDownDelaySeconds: seconds('scale-down-delay', 0),
    podRetentionSeconds: seconds('scale-to-zero-pod-retention-period', 0),
    targetBurstCapacity: number('target-burst-capacity', 211),
  }
}

function readAnnotations(service: KnativeService): Map<string, string> {
  const found = new Map<string, string>()
  for (const [key, value] of Object.entries(service.spec.template.metadata.annotations)) {
    if (!key.startsWith(PREFIX)) continue
    const name = key.slice(PREFIX.length)
    if (name in FIXED && FIXED[name] === value) continue
    if (!KNOWN.has(name))
      throw refuse(service.metadata.name, name, value, 'the local stand-in does not support it')
    found.set(name, value)
  }
  return found
}

/** An annotation replaces the default, and lowers a hard limit but never raises it. */
function readTotal(containerConcurrency: number, annotated: number): number {
  if (annotated === 0) return containerConcurrency === 0 ? DEFAULT_TARGET : containerConcurrency
  return containerConcurrency === 0 ? annotated : Math.min(annotated, containerConcurrency)
}

const GO_UNITS: Record<string, number> = { h: 3600, m: 60, s: 1, ms: 0.001 }

/** Seconds of a duration as Go writes it, such as `1m30s`. */
function readGoDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text)) return text === '0' ? 0 : undefined
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (GO_UNITS[unit ?? ''] ?? 0), 0)
}

function refuseDuration(service: string, key: string, text: string): never {
  throw refuse(service, key, text, 'it is not a duration such as 90s')
}

function refuse(service: string, key: string, value: string | undefined, reason: string): TypeError {
  return new TypeError(`Cannot scale "${service}" by ${PREFIX}${key} "${value}": ${reason}`)
}
