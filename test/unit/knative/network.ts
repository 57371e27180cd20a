/** Whether network policies let one pod connect to another, as Kubernetes decides it: what nobody allows is refused. */
import type { NetworkPolicy, Peer, Port, Selector } from '../../../knative/part-objects.ts'

export interface Pod {
  namespace: string
  labels: Record<string, string>
}

/** A pod elsewhere on the Internet, or in another network. */
export type End = Pod | { address: 'public' | 'private' }

export function createNetwork(policies: readonly NetworkPolicy[]) {
  const selecting = (pod: End, type: 'Ingress' | 'Egress') =>
    'address' in pod
      ? []
      : policies.filter(
          ({ metadata, spec }) =>
            metadata.namespace === pod.namespace &&
            spec.policyTypes.includes(type) &&
            matches(spec.podSelector, pod.labels),
        )
  return {
    /** @param port of the pod that is connected to */
    lets(from: End, to: End, port: number): boolean {
      const out = selecting(from, 'Egress')
      const into = selecting(to, 'Ingress')
      const namespace = (policy: NetworkPolicy) => policy.metadata.namespace
      const mayLeave = out.some((policy) =>
        policy.spec.egress?.some(
          (rule) => isPeer(rule.to, to, namespace(policy)) && hasPort(rule.ports, port),
        ),
      )
      const mayEnter = into.some((policy) =>
        policy.spec.ingress?.some(
          (rule) =>
            (rule.from === undefined || isPeer(rule.from, from, namespace(policy))) &&
            hasPort(rule.ports, port),
        ),
      )
      return (out.length === 0 || mayLeave) && (into.length === 0 || mayEnter)
    },
  }
}

function isPeer(peers: readonly Peer[], end: End, own: string): boolean {
  return peers.some((peer) => {
    if ('ipBlock' in peer) return 'address' in end && end.address === 'public'
    if ('address' in end) return false
    const { namespaceSelector, podSelector = {} } = peer
    const isNamespace =
      namespaceSelector === undefined
        ? end.namespace === own
        : matches(namespaceSelector, { 'kubernetes.io/metadata.name': end.namespace })
    return isNamespace && matches(podSelector, end.labels)
  })
}

function matches(
  { matchLabels = {}, matchExpressions = [] }: Selector,
  labels: Record<string, string>,
): boolean {
  return (
    Object.entries(matchLabels).every(([name, value]) => labels[name] === value) &&
    matchExpressions.every(({ key, operator, values }) =>
      operator === 'Exists' ? key in labels : values?.includes(labels[key] ?? ''),
    )
  )
}

function hasPort(ports: readonly Port[], port: number): boolean {
  return ports.some((each) => each.protocol === 'TCP' && (each.port === undefined || each.port === port))
}
