/** The Kubernetes objects of parts that always run, and of the network between all, as far as kgents uses them. */
import type { EnvironmentVariable, Metadata, SecurityContext } from './objects.ts'

export interface Deployment {
  apiVersion: 'apps/v1'
  kind: 'Deployment'
  metadata: Metadata
  spec: {
    replicas: number
    strategy: { type: 'RollingUpdate'; rollingUpdate: { maxSurge: number; maxUnavailable: number } }
    selector: Selector
    template: { metadata: { labels: Record<string, string> }; spec: PodSpec }
  }
}

interface PodSpec {
  automountServiceAccountToken: false
  enableServiceLinks: false
  /** Seconds from SIGTERM to SIGKILL. */
  terminationGracePeriodSeconds: number
  initContainers?: PodContainer[]
  containers: PodContainer[]
  volumes: { name: string; emptyDir: Record<string, never> }[]
}

export interface PodContainer {
  name: string
  image: string
  command?: string[]
  ports?: { name: string; containerPort: number }[]
  env: EnvironmentVariable[]
  envFrom?: { configMapRef: { name: string } }[]
  resources: { requests: Record<string, string>; limits: Record<string, string> }
  securityContext: SecurityContext
  lifecycle?: { preStop: { sleep: { seconds: number } } }
  livenessProbe?: Probe
  readinessProbe?: Probe
  volumeMounts: { name: string; mountPath: string }[]
}

interface Probe {
  httpGet: { path: string; port: string }
}

/** Runs once. */
export interface Job {
  apiVersion: 'batch/v1'
  kind: 'Job'
  metadata: Metadata
  spec: {
    /** How often it is tried again. */
    backoffLimit: number
    activeDeadlineSeconds: number
    template: {
      metadata: { labels: Record<string, string> }
      spec: Omit<PodSpec, 'terminationGracePeriodSeconds' | 'initContainers'> & { restartPolicy: 'OnFailure' }
    }
  }
}

export interface PartService {
  apiVersion: 'v1'
  kind: 'Service'
  metadata: Metadata
  spec: {
    selector: Record<string, string>
    ports: { name: string; port: number; targetPort: string }[]
  }
}

export interface PodDisruptionBudget {
  apiVersion: 'policy/v1'
  kind: 'PodDisruptionBudget'
  metadata: Metadata
  spec: { maxUnavailable: number; selector: Selector }
}

export interface Selector {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: 'In' | 'Exists'; values?: string[] }[]
}

export interface NetworkPolicy {
  apiVersion: 'networking.k8s.io/v1'
  kind: 'NetworkPolicy'
  metadata: Metadata
  spec: {
    podSelector: Selector
    policyTypes: ('Ingress' | 'Egress')[]
    ingress?: { from?: Peer[]; ports: Port[] }[]
    egress?: { to: Peer[]; ports: Port[] }[]
  }
}

/** Pods, of this namespace unless another is named; or addresses. */
export type Peer =
  | { podSelector?: Selector; namespaceSelector?: Selector }
  | { ipBlock: { cidr: string; except: string[] } }

export interface Port {
  protocol: 'TCP' | 'UDP'
  /** Absent is every port. */
  port?: number
}
