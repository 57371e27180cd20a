/** What the API server or a controller refuses although it fits the schema: an object with itself, and with the others. */
import { workloadsOf, type Workload } from './built-overlays.ts'
import type { Container } from './pod-security.ts'
import type { KubernetesObject } from './structural-schema.ts'

/** An object among those that are applied with it. */
export interface Applied {
  object: KubernetesObject
  objects: readonly KubernetesObject[]
}

interface Named {
  name: string
  namespace?: string
}

const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/
const MAX_CRON_NAME = 52

/** `kubectl apply` keeps a copy of what it applies in an annotation, and annotations have no more room. */
const MAX_BYTES = 256 * 1024

/** Each by what is wrong: whether an object of any kind is free of it. */
const OBJECT_RULES: Record<string, (applied: Applied) => boolean> = {
  'it is too large to be applied': ({ object }) => Buffer.byteLength(JSON.stringify(object)) < MAX_BYTES,
  'the name is no DNS name': ({ object }) => DNS_SUBDOMAIN.test(object.metadata.name.replaceAll(':', '.')),
  'a label has a value that no label may have': ({ object }) =>
    Object.values(object.metadata.labels ?? {}).every((value) => LABEL_VALUE.test(value)),
  'the budget lets no pod go': ({ object, objects }) =>
    object.kind !== 'PodDisruptionBudget' || canDrain(object, objects),
  'what is to be scaled is not there': ({ object, objects }) => {
    const { spec } = object as { spec?: { scaleTargetRef?: { kind?: string; name: string } } }
    const target = spec?.scaleTargetRef
    return target === undefined || isThere(objects, target.kind ?? 'Deployment', beside(object, target.name))
  },
  'a rule of a network policy names no port or address': ({ object }) =>
    object.kind !== 'NetworkPolicy' || rulesOf(object).every(isRule),
  'a role is bound that is not there': ({ object, objects }) => {
    if (!object.kind.endsWith('RoleBinding')) return true
    const { roleRef } = object as unknown as { roleRef: { kind: string; name: string } }
    const role = roleRef.kind === 'Role' ? beside(object, roleRef.name) : { name: roleRef.name }
    return roleRef.name.startsWith('system:') || isThere(objects, roleRef.kind, role)
  },
}

/** Each by what is wrong: whether what makes pods is free of it. */
const WORKLOAD_RULES: Record<string, (workload: Workload, objects: readonly KubernetesObject[]) => boolean> =
  {
    'the selector does not match its own pods': (workload) => {
      const { spec } = workload as unknown as {
        spec: { selector?: { matchLabels?: Record<string, string> } }
      }
      return matches(spec.selector?.matchLabels ?? {}, workload.labels)
    },
    'a container has no name of its own': ({ pod }) => areUnique(allContainers(pod).map(({ name }) => name)),
    'a volume is mounted that is not there': (workload) => {
      const volumes = [...(workload.pod.volumes ?? []).map(({ name }) => name), ...claimsOf(workload)]
      const mounts = allContainers(workload.pod).flatMap(({ volumeMounts = [] }) => volumeMounts)
      return mounts.every(({ name }) => volumes.includes(name))
    },
    'two volumes are mounted at one place': ({ pod }) =>
      allContainers(pod).every(({ volumeMounts = [] }) =>
        areUnique(volumeMounts.map(({ mountPath }) => mountPath)),
      ),
    'a port has a name that is too long or not its own': ({ pod }) =>
      pod.containers.every(({ ports = [] }) => {
        const names = ports.flatMap(({ name }) => name ?? [])
        return areUnique(names) && names.every((name) => /^(?=.*[a-z])[a-z0-9-]{1,15}$/.test(name))
      }),
    'a probe asks at a port that is not there': ({ pod }) => pod.containers.every(hasProbedPorts),
    'a request is above its limit': ({ pod }) =>
      allContainers(pod).every(({ resources: { requests = {}, limits = {} } = {} }) =>
        Object.entries(requests).every(
          ([name, request]) => !(name in limits) || quantity(request) <= quantity(limits[name]),
        ),
      ),
    'the pods are restarted in another way than their kind wants': ({ kind, pod }) =>
      ['Job', 'CronJob'].includes(kind)
        ? ['OnFailure', 'Never'].includes(pod.restartPolicy ?? '')
        : (pod.restartPolicy ?? 'Always') === 'Always',
    'the schedule is none, or the name leaves no room for those of its Jobs': (workload) => {
      if (workload.kind !== 'CronJob') return true
      const { schedule } = (workload as unknown as { spec: { schedule: string } }).spec
      return /^(\S+ ){4}\S+$/.test(schedule) && workload.metadata.name.length <= MAX_CRON_NAME
    },
    'the Service of its pods is not there': (workload, objects) => {
      const { serviceName } = (workload as unknown as { spec: { serviceName?: string } }).spec
      return (
        workload.kind !== 'StatefulSet' || isThere(objects, 'Service', beside(workload, serviceName ?? ''))
      )
    },
    'the service account is not there': (workload, objects) => {
      const { serviceAccountName = 'default' } = workload.pod
      return (
        serviceAccountName === 'default' ||
        isThere(objects, 'ServiceAccount', beside(workload, serviceAccountName))
      )
    },
    'the priority class is not there': ({ pod: { priorityClassName } }, objects) =>
      priorityClassName === undefined || isThere(objects, 'PriorityClass', { name: priorityClassName }),
  }

/** What is wrong with each of `objects`, that are applied together. */
export function findObjectProblems(objects: readonly KubernetesObject[]): string[] {
  const broken = (rules: readonly string[], object: KubernetesObject) =>
    rules.map((problem) => `${object.kind} ${object.metadata.name}: ${problem}`)
  return [
    ...objects.flatMap((object) =>
      broken(
        Object.keys(OBJECT_RULES).filter((problem) => OBJECT_RULES[problem]?.({ object, objects }) === false),
        object,
      ),
    ),
    ...workloadsOf(objects).flatMap((workload) =>
      broken(
        Object.keys(WORKLOAD_RULES).filter(
          (problem) => WORKLOAD_RULES[problem]?.(workload, objects) === false,
        ),
        workload,
      ),
    ),
  ]
}

const allContainers = ({ initContainers = [], containers }: Workload['pod']): Container[] => [
  ...initContainers,
  ...containers,
]
const areUnique = (names: readonly string[]): boolean => new Set(names).size === names.length
const matches = (wanted: Record<string, string>, labels: Record<string, string>): boolean =>
  Object.entries(wanted).every(([name, value]) => labels[name] === value)

/** The name of something in the namespace of `object`. */
function beside({ metadata: { namespace } }: KubernetesObject, name: string): Named {
  return { name, ...(namespace === undefined ? {} : { namespace }) }
}

function isThere(objects: readonly KubernetesObject[], kind: string, { name, namespace }: Named): boolean {
  return objects.some(
    ({ kind: found, metadata }) =>
      found === kind &&
      metadata.name === name &&
      (namespace === undefined || metadata.namespace === namespace),
  )
}

function claimsOf(workload: Workload): string[] {
  const { volumeClaimTemplates = [] } = (
    workload as unknown as { spec: { volumeClaimTemplates?: { metadata: { name: string } }[] } }
  ).spec
  return volumeClaimTemplates.map(({ metadata }) => metadata.name)
}

function hasProbedPorts({ ports = [], livenessProbe, readinessProbe, startupProbe }: Container): boolean {
  const open: unknown[] = ports.flatMap(({ name, containerPort }) => [name, containerPort])
  return [livenessProbe, readinessProbe, startupProbe].every((probe) => {
    const port = (probe?.httpGet ?? probe?.tcpSocket)?.port
    return port === undefined || open.includes(port)
  })
}

const UNITS: Record<string, number> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}

/** `500m` is 0.5. */
export function quantity(text: unknown): number {
  const [, number, unit = ''] = /^([\d.]+)([A-Za-z]*)$/.exec(String(text)) ?? []
  return Number(number) * (UNITS[unit] ?? Number.NaN)
}

interface PolicyRule {
  from?: object[]
  to?: object[]
  ports?: { port?: number | string }[]
}

function rulesOf(object: KubernetesObject): PolicyRule[] {
  const { spec } = object as unknown as { spec: { ingress?: PolicyRule[]; egress?: PolicyRule[] } }
  return [...(spec.ingress ?? []), ...(spec.egress ?? [])]
}

/** A rule without peers or ports is one for all of them: it is to be written with a peer, or a port, that says so. */
function isRule({ from = [], to = [], ports = [] }: PolicyRule): boolean {
  const numbers = ports.map(({ port }) => port).filter((port) => typeof port === 'number')
  return from.length + to.length + ports.length > 0 && numbers.every((port) => port > 0 && port < 65_536)
}

/** Whether a node with a pod of it can be drained, and there is such a pod. */
function canDrain(budget: KubernetesObject, objects: readonly KubernetesObject[]): boolean {
  const { spec } = budget as unknown as {
    spec: {
      minAvailable?: number
      maxUnavailable?: number
      selector: { matchLabels?: Record<string, string> }
    }
  }
  const [workload] = workloadsOf(objects).filter(
    ({ metadata, labels }) =>
      metadata.namespace === budget.metadata.namespace && matches(spec.selector.matchLabels ?? {}, labels),
  )
  if (workload === undefined) return false
  const { replicas = 1 } = (workload as unknown as { spec: { replicas?: number } }).spec
  return spec.maxUnavailable === undefined ? (spec.minAvailable ?? 0) < replicas : spec.maxUnavailable > 0
}
