/**
 * The Kubernetes objects that kgents needs from Knative, as far as it uses them.
 *
 * A field that is not here is a field that we do not set: TypeScript refuses it in `manifests.ts`, and the local
 * stand-in need not know it.
 */

export interface Metadata {
  name: string
  namespace: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
}

export interface KnativeService {
  apiVersion: 'serving.knative.dev/v1'
  kind: 'Service'
  metadata: Metadata
  spec: {
    template: {
      metadata: { labels?: Record<string, string>; annotations: Record<string, string> }
      spec: RevisionSpec
    }
  }
}

interface RevisionSpec {
  /** Requests one pod takes at once; 0 is no limit. */
  containerConcurrency: number
  /** Hard limit of one request, from its arrival to the last byte of the answer. */
  timeoutSeconds: number
  automountServiceAccountToken: false
  enableServiceLinks: false
  containers: Container[]
  volumes: { name: string; emptyDir: Record<string, never> }[]
}

export interface Container {
  name: string
  image: string
  ports: { containerPort: number }[]
  env: EnvironmentVariable[]
  envFrom: { configMapRef: { name: string } }[]
  resources: { requests: Record<string, string>; limits: Record<string, string> }
  securityContext: SecurityContext
  volumeMounts: { name: string; mountPath: string }[]
}

export interface SecurityContext {
  allowPrivilegeEscalation: false
  capabilities: { drop: string[] }
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  runAsUser: number
  runAsGroup: number
  seccompProfile: { type: 'RuntimeDefault' }
}

export type EnvironmentVariable =
  | { name: string; value: string }
  | { name: string; valueFrom: { secretKeyRef: { name: string; key: string; optional?: true } } }

/** Where events go: an object that has an address, or a URI; with both, the URI is relative to the object's. */
export interface Destination {
  ref?: { apiVersion: string; kind: string; name: string; namespace?: string }
  uri?: string
}

export interface Delivery {
  retry?: number
  backoffPolicy?: 'linear' | 'exponential'
  /** ISO 8601, such as `PT1S`. */
  backoffDelay?: string
  /** ISO 8601; how long one attempt may take. */
  timeout?: string
  deadLetterSink?: Destination
}

/** One filter expression; an object with several dialects means all of them. */
export interface EventFilter {
  exact?: Record<string, string>
  prefix?: Record<string, string>
  suffix?: Record<string, string>
  all?: EventFilter[]
  any?: EventFilter[]
  not?: EventFilter
  cesql?: string
}

export interface Trigger {
  apiVersion: 'eventing.knative.dev/v1'
  kind: 'Trigger'
  metadata: Metadata
  spec: {
    broker: string
    filters?: EventFilter[]
    subscriber: Destination
    delivery?: Delivery
  }
}

export interface Broker {
  apiVersion: 'eventing.knative.dev/v1'
  kind: 'Broker'
  metadata: Metadata
  spec: {
    config?: { apiVersion: 'v1'; kind: 'ConfigMap'; name: string; namespace: string }
    delivery?: Delivery
  }
}

export interface Namespace {
  apiVersion: 'v1'
  kind: 'Namespace'
  metadata: Omit<Metadata, 'namespace'>
}

/** What `kubectl apply -k` takes: the files of a folder, whose objects it applies in the order that they need. */
export interface Kustomization {
  apiVersion: 'kustomize.config.k8s.io/v1beta1'
  kind: 'Kustomization'
  resources: string[]
}

export interface Secret {
  apiVersion: 'v1'
  kind: 'Secret'
  metadata: Metadata
  type: 'Opaque' | 'kubernetes.io/basic-auth'
  stringData: Record<string, string>
}

export interface ConfigMap {
  apiVersion: 'v1'
  kind: 'ConfigMap'
  metadata: Metadata
  data: Record<string, string>
}
