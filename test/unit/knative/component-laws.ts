/**
 * What admission webhooks and controllers refuse, or wait for in silence, although each object alone fits its schema: names
 * that nothing has, an order that counts, and objects that contend for one thing.
 */
import { workloadsOf, type Workload } from './built-overlays.ts'
import { quantity } from './object-laws.ts'
import type { PodSpec } from './pod-security.ts'
import type { KubernetesObject } from './structural-schema.ts'

/** An object of any kind, of which the rule knows what it has. */
export interface Loose extends KubernetesObject {
  // oxlint-disable-next-line typescript/no-explicit-any -- schemas are checked elsewhere; here each rule reads a few fields
  spec: any
}

type Rule = (cluster: Cluster) => Loose[]

interface Cluster {
  of(...kinds: string[]): Loose[]
  /** The object of `kind` with this name; in `namespace` where it is given. */
  find(kind: string, name: string, namespace?: string): Loose | undefined
  workloads: Workload[]
}

/** Each by what is wrong: the objects that have the fault. */
const RULES: Record<string, Rule> = {
  'KEDA: scales what is not there, or has replicas of its own': ({ of, find }) =>
    of('ScaledObject').filter(({ spec, metadata }) => {
      const { kind = 'Deployment', name } = spec.scaleTargetRef
      const target = ['Deployment', 'StatefulSet'].includes(kind) && find(kind, name, metadata.namespace)
      return !target || target.spec.replicas !== undefined
    }),
  'KEDA: two scale one workload': ({ of }) =>
    repeated(of('ScaledObject', 'HorizontalPodAutoscaler'), ({ spec, metadata }) =>
      [metadata.namespace, spec.scaleTargetRef.kind ?? 'Deployment', spec.scaleTargetRef.name].join('/'),
    ),
  'KEDA: a trigger lacks what its scaler needs, or has what it does not know': ({ of }) =>
    of('ScaledObject').filter(({ spec }) => !spec.triggers.every(isTrigger)),
  'KEDA: the URL has a port that is none of the pods': ({ of, find }) =>
    of('ScaledObject').filter(({ spec }) =>
      spec.triggers.some(({ metadata }: Trigger) => {
        if (metadata['aggregateFromKubeServiceEndpoints'] !== 'true') return false
        const { hostname, port } = new URL(metadata['url'] ?? '')
        const [name = '', namespace] = hostname.split('.')
        return !find('Service', name, namespace)?.spec.ports.some((each: Port) => String(each.port) === port)
      }),
    ),
  'Kueue: resources are not in the order of coveredResources': ({ of }) =>
    of('ClusterQueue').filter(({ spec }) =>
      spec.resourceGroups.some(({ coveredResources, flavors }: Group) =>
        flavors.some(({ resources }) => String(resources.map(nameOf)) !== String(coveredResources)),
      ),
    ),
  'Kueue: a flavor is not there': ({ of, find }) =>
    of('ClusterQueue').filter((queue) => !flavorsOf(queue).every(({ name }) => find('ResourceFlavor', name))),
  'Kueue: a flavor is in two groups': ({ of }) =>
    of('ClusterQueue').filter((queue) => repeated(flavorsOf(queue), nameOf).length > 0),
  'Kueue: more is lent than there is, or without a cohort': ({ of }) =>
    of('ClusterQueue').filter((queue) =>
      flavorsOf(queue)
        .flatMap(({ resources }) => resources)
        .some(
          ({ lendingLimit, nominalQuota }) =>
            lendingLimit !== undefined &&
            (queue.spec.cohortName === undefined || quantity(lendingLimit) > quantity(nominalQuota)),
        ),
    ),
  'Kueue: a queue leads nowhere': ({ of, find }) =>
    of('LocalQueue').filter(({ spec }) => !find('ClusterQueue', spec.clusterQueue)),
  'Kueue: a workload names a queue or a class that is not there': ({ find, workloads }) =>
    queued(workloads).filter(({ metadata, queue, priority }) => {
      return (
        !find('LocalQueue', queue, metadata.namespace) ||
        (priority !== undefined && !find('WorkloadPriorityClass', priority))
      )
    }),
  'Kueue: a pod wants what its queue does not have, and would wait for ever': ({ find, workloads }) =>
    queued(workloads).filter(({ metadata, pod, queue }) => {
      const local = find('LocalQueue', queue, metadata.namespace)
      const groups: Group[] = find('ClusterQueue', local?.spec.clusterQueue)?.spec.resourceGroups ?? []
      const covered = groups.flatMap(({ coveredResources }) => coveredResources)
      const wanted = [...(pod.initContainers ?? []), ...pod.containers].flatMap(({ resources }) =>
        Object.keys({ ...resources?.limits, ...resources?.requests }),
      )
      return !wanted.every((name) => covered.includes(name))
    }),
  'External Secrets: the store is not there, or not for this namespace': ({ of, find }) =>
    of('ExternalSecret').filter(({ spec, metadata }) => {
      const conditions = find('ClusterSecretStore', spec.secretStoreRef.name)?.spec.conditions ?? []
      return !conditions.some(({ namespaces }: { namespaces: string[] }) =>
        namespaces.includes(metadata.namespace ?? ''),
      )
    }),
  'External Secrets: two own one Secret': ({ of }) =>
    repeated(of('ExternalSecret'), ({ spec, metadata }) => `${metadata.namespace}/${spec.target.name}`),
  'External Secrets: nothing is read from the store': ({ of }) =>
    of('ExternalSecret').filter(({ spec }) => !spec.data?.length && !spec.dataFrom?.length),
  'cert-manager: nobody issues the certificate': ({ of, find }) =>
    of('Certificate').filter(
      ({ spec, metadata: { namespace } }) =>
        !find(
          spec.issuerRef.kind,
          spec.issuerRef.name,
          spec.issuerRef.kind === 'Issuer' ? namespace : undefined,
        ),
    ),
  'cert-manager: the certificate is for nobody': ({ of }) =>
    of('Certificate').filter(({ spec }) =>
      ['commonName', 'dnsNames', 'uris', 'ipAddresses', 'emailAddresses'].every(
        (name) => !spec[name]?.length,
      ),
    ),
  'cert-manager: the certificate is renewed before it is issued': ({ of }) =>
    of('Certificate').filter(
      ({ spec }) => Number.parseInt(spec.renewBefore, 10) >= Number.parseInt(spec.duration, 10),
    ),
  'Karpenter: a pool has no class of nodes': ({ of, find }) =>
    of('NodePool').filter(({ spec }) => !find('EC2NodeClass', spec.template.spec.nodeClassRef.name)),
  'Karpenter: a pod selects no pool, or one whose taints it does not tolerate': ({ find, of, workloads }) =>
    of('NodePool').length === 0 ? [] : asLoose(workloads.filter(({ pod }) => !hasNodes(pod, find))),
  'Istio: two decide for one namespace, and the older wins': ({ of }) =>
    repeated(
      of('PeerAuthentication').filter(({ spec }) => spec.selector === undefined),
      ({ metadata }) => metadata.namespace ?? '',
    ),
}

/** What is wrong with `objects` as they stand together. */
export function findClusterProblems(objects: readonly KubernetesObject[]): string[] {
  const all = objects as readonly Loose[] // reason: rules read fields of their kinds alone
  const cluster: Cluster = {
    of: (...kinds) => all.filter(({ kind }) => kinds.includes(kind)),
    find: (kind, name, namespace) =>
      all.find(
        (each) =>
          each.kind === kind &&
          each.metadata.name === name &&
          (namespace === undefined || each.metadata.namespace === namespace),
      ),
    workloads: workloadsOf(objects),
  }
  return Object.entries(RULES).flatMap(([problem, rule]) =>
    rule(cluster).map(({ kind, metadata }) => `${problem}: ${kind} ${metadata.name}`),
  )
}

type Trigger = { type: string; metadata: Record<string, string> }
type Port = { port: number }
type Quota = { name: string; nominalQuota: number | string; lendingLimit?: number | string }
type Flavor = { name: string; resources: Quota[] }
type Group = { coveredResources: string[]; flavors: Flavor[] }

/** Of KEDA's `metrics-api`: the rest has defaults, and a name that it does not know is ignored. */
const NEEDED = ['url', 'valueLocation', 'targetValue']
const KNOWN = [
  ...NEEDED,
  'activationTargetValue',
  'format',
  'unsafeSsl',
  'aggregateFromKubeServiceEndpoints',
  'aggregationType',
  'timeout',
]

function isTrigger({ type, metadata }: Trigger): boolean {
  const names = Object.keys(metadata)
  return (
    type === 'metrics-api' &&
    NEEDED.every((name) => names.includes(name)) &&
    names.every((name) => KNOWN.includes(name)) &&
    Number(metadata['targetValue']) > 0
  )
}

interface Queued extends Workload, Loose {
  queue: string
  priority: string | undefined
}

function queued(workloads: readonly Workload[]): Queued[] {
  return workloads.flatMap((each) => {
    const { 'kueue.x-k8s.io/queue-name': queue, 'kueue.x-k8s.io/priority-class': priority } =
      each.metadata.labels ?? {}
    return queue === undefined ? [] : [{ ...each, spec: {}, queue, priority }]
  })
}

interface Placement {
  nodeSelector?: Record<string, string>
  tolerations?: { key?: string; operator?: string; value?: string }[]
}

/** Whether a pool has nodes for `pod`. */
function hasNodes(pod: PodSpec & Placement, find: Cluster['find']): boolean {
  const { 'kgents.io/pool': name } = pod.nodeSelector ?? {}
  if (name === undefined) return true
  const taints: { key: string; value?: string }[] | undefined =
    find('NodePool', name) && (find('NodePool', name)?.spec.template.spec.taints ?? [])
  const tolerates = ({ key, value }: { key: string; value?: string }) =>
    pod.tolerations?.some(
      (each) => each.key === key && (each.operator === 'Exists' || each.value === value),
    ) === true
  return taints?.every(tolerates) === true
}

function flavorsOf({ spec }: Loose): Flavor[] {
  return (spec.resourceGroups as Group[]).flatMap(({ flavors }) => flavors)
}

function repeated<T>(list: readonly T[], keyOf: (item: T) => string): T[] {
  const keys = list.map(keyOf)
  return list.filter((_, index) => keys.indexOf(keys[index] ?? '') !== index)
}

const nameOf = ({ name }: { name: string }) => name
const asLoose = (workloads: readonly Workload[]) => workloads.map((each) => ({ ...each, spec: {} }))
