/**
 * Where in a cluster everything is that functions and parts reach, and that reaches them: pods by their labels, and the
 * ports of pods, since a policy sees a connection after the address of a Service has been replaced by a pod's.
 */
import { GLOBAL_IPV6, SPECIAL_IPV4, SPECIAL_IPV6 } from '../../shared/egress/public-address.ts'
import type { Peer, Port } from '../part-objects.ts'

export interface Place {
  peers: Peer[]
  ports: Port[]
}

/** Every pod in a namespace, or those with `labels`. */
function inNamespace(namespace: string, labels?: Record<string, string>): Peer {
  return {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
    ...(labels === undefined ? {} : { podSelector: { matchLabels: labels } }),
  }
}

function tcp(...ports: number[]): Port[] {
  return ports.map((port) => ({ protocol: 'TCP', port }))
}

export const OBSERVABILITY = inNamespace('kgents-observability')

const KOURIER = inNamespace('kourier-system', { app: '3scale-kourier-gateway' })

export const PLACES = {
  dns: {
    peers: [inNamespace('kube-system', { 'k8s-app': 'kube-dns' })],
    ports: [...tcp(53), { protocol: 'UDP', port: 53 }],
  },
  postgres: { peers: [inNamespace('kgents-triad')], ports: tcp(5432) },
  redis: { peers: [inNamespace('kgents-triad')], ports: tcp(6379) },
  nats: { peers: [inNamespace('kgents-agents')], ports: tcp(4222) },
  'nats-monitoring': { peers: [inNamespace('kgents-agents')], ports: tcp(8222) },
  telemetry: { peers: [OBSERVABILITY], ports: tcp(4317, 4318) },
  /** Functions are called through the ingress, which wakes those that sleep. */
  functions: { peers: [KOURIER], ports: tcp(8081) },
  broker: {
    peers: [inNamespace('knative-eventing', { 'eventing.knative.dev/brokerRole': 'ingress' })],
    ports: tcp(8080),
  },
  /** The fence in each program says more; a policy knows addresses alone. */
  outside: {
    peers: [
      { ipBlock: { cidr: '0.0.0.0/0', except: SPECIAL_IPV4 } },
      { ipBlock: { cidr: GLOBAL_IPV6, except: SPECIAL_IPV6 } },
    ],
    ports: [{ protocol: 'TCP' }],
  },
} as const satisfies Record<string, Place>

/** Who reaches functions, at their queue-proxy: requests of the ingress and the activator, questions of the autoscaler. */
export const CALLERS_OF_FUNCTIONS: readonly Place[] = [
  { peers: [KOURIER, inNamespace('knative-serving', { app: 'activator' })], ports: tcp(8012, 8013) },
  { peers: [inNamespace('knative-serving', { app: 'autoscaler' })], ports: tcp(8012, 9090) },
]
