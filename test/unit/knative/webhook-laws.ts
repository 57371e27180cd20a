/**
 * What Knative's admission webhook refuses and no schema tells: where annotations belong, and which fields of a pod
 * are behind feature flags that are off by default.
 */
import type { KnativeService, Trigger } from '../../../knative/objects.ts'

const AUTOSCALING = 'autoscaling.knative.dev/'

/** Fields of a pod that need no feature flag. */
const POD_FIELDS = new Set([
  'containerConcurrency',
  'timeoutSeconds',
  'responseStartTimeoutSeconds',
  'idleTimeoutSeconds',
  'serviceAccountName',
  'imagePullSecrets',
  'automountServiceAccountToken',
  'enableServiceLinks',
  'containers',
  'volumes',
])

const VOLUME_KINDS = new Set(['emptyDir', 'secret', 'configMap', 'projected'])
const MAX_TIMEOUT_SECONDS = 600
const MAX_CONCURRENCY = 1000
const ATTRIBUTE_NAME = /^[a-z0-9]+$/

/** What is wrong with `service`. */
export function findServiceProblems(service: KnativeService): string[] {
  const { metadata, spec } = service
  const { annotations } = spec.template.metadata
  const pod = spec.template.spec
  const [container, ...others] = pod.containers
  return [
    ...claim(
      !keysOf(metadata.annotations).some(isAutoscaling),
      'autoscaling annotations belong into the template',
    ),
    ...claim(
      Object.values(annotations).every((value) => typeof value === 'string'),
      'annotations are strings',
    ),
    ...claim(/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(metadata.name), 'the name is no DNS label'),
    ...claim(
      metadata.labels?.['networking.knative.dev/visibility'] === 'cluster-local',
      'reachable from outside the cluster',
    ),
    ...claim(
      keysOf(pod).every((name) => POD_FIELDS.has(name)),
      'a pod field is behind a feature flag',
    ),
    ...claim(
      pod.timeoutSeconds >= 1 && pod.timeoutSeconds <= MAX_TIMEOUT_SECONDS,
      'timeoutSeconds out of range',
    ),
    ...claim(
      pod.containerConcurrency >= 0 && pod.containerConcurrency <= MAX_CONCURRENCY,
      'concurrency out of range',
    ),
    ...claim(
      pod.volumes.every((volume) => keysOf(volume).every(isVolumeField)),
      'a volume kind is behind a flag',
    ),
    ...claim(others.length === 0 && container !== undefined, 'more or less than one container'),
    ...claim((container?.ports.length ?? 0) <= 1, 'more than one port'),
    ...claim(!JSON.stringify(container?.env ?? []).includes('fieldRef'), 'fieldRef is behind a feature flag'),
    ...claim(
      !['startupProbe', 'lifecycle', 'stdin', 'tty'].some((name) => name in (container ?? {})),
      'a refused field',
    ),
    ...findScaleProblems(annotations),
  ]
}

function findScaleProblems(annotations: Record<string, string>): string[] {
  const valueOf = (name: string) => Number(annotations[`${AUTOSCALING}${name}`] ?? Number.NaN)
  return [
    ...claim(!(valueOf('target') < 0.01), 'target is below 0.01'),
    ...claim(!(valueOf('min-scale') > valueOf('max-scale')), 'min-scale is above max-scale'),
    ...claim(!(valueOf('target-burst-capacity') < -1), 'target-burst-capacity is below -1'),
    ...claim(valueOf('initial-scale') !== 0, 'initial-scale 0 needs allow-zero-initial-scale'),
  ]
}

/** What is wrong with `trigger`. */
export function findTriggerProblems({ spec }: Trigger): string[] {
  const { delivery } = spec
  const names = (spec.filters ?? []).flatMap(({ exact, prefix, suffix }) =>
    keysOf({ ...exact, ...prefix, ...suffix }),
  )
  const together = [delivery?.retry, delivery?.backoffPolicy, delivery?.backoffDelay]
  return [
    ...claim(
      names.every((name) => ATTRIBUTE_NAME.test(name)),
      'an attribute name has other than a-z and 0-9',
    ),
    ...claim(
      together.every((each) => each !== undefined),
      'retry, backoffPolicy and backoffDelay belong together',
    ),
    ...claim(
      delivery === undefined || !('retryAfterMax' in delivery),
      'retryAfterMax is behind a feature flag',
    ),
    ...claim(
      spec.subscriber.ref?.kind !== 'Service' || ['/events', '/ticks'].includes(spec.subscriber.uri ?? ''),
      'not the event route',
    ),
  ]
}

const claim = (holds: boolean, problem: string): string[] => (holds ? [] : [problem])
const keysOf = (value: object | undefined): string[] => Object.keys(value ?? {})
const isAutoscaling = (name: string) => name.startsWith(AUTOSCALING)
const isVolumeField = (name: string) => name === 'name' || VOLUME_KINDS.has(name)
