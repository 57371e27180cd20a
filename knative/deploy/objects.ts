/** The objects of a cluster, as far as a deploy reads and writes them; fields that are not here are kept as they are. */

export interface Condition {
  type: string
  status: string
  reason?: string
  message?: string
  lastTransitionTime?: string
}

export interface ObjectMetadata {
  name: string
  namespace?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  /** The API server refuses a write that names another than the present one. */
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  managedFields?: { manager?: string; operation?: string; subresource?: string }[]
}

export interface ClusterObject {
  apiVersion: string
  kind: string
  metadata: ObjectMetadata
  spec?: unknown
  status?: unknown
}

export interface Template {
  metadata?: { name?: string; labels?: Record<string, string>; annotations?: Record<string, string> }
  spec: { containers: { name?: string; image: string }[] }
}

/** Which revision gets how much of a Service's requests; `tag` gives it an address of its own. */
export interface TrafficTarget {
  revisionName?: string
  latestRevision?: boolean
  percent?: number
  tag?: string
  url?: string
}

export interface Service extends ClusterObject {
  spec: { template: Template; traffic?: TrafficTarget[] }
  status?: {
    observedGeneration?: number
    conditions?: Condition[]
    traffic?: TrafficTarget[]
    latestCreatedRevisionName?: string
    latestReadyRevisionName?: string
    url?: string
  }
}

/** What Knative makes of a Service's template: it names the revisions. */
export interface Configuration extends ClusterObject {
  status?: { observedGeneration?: number; latestCreatedRevisionName?: string }
}

export interface Revision extends ClusterObject {
  spec: Template['spec']
  status?: { conditions?: Condition[]; actualReplicas?: number }
}

interface ContainerState {
  waiting?: { reason?: string; message?: string }
  terminated?: { reason?: string; exitCode?: number }
}

export interface Pod extends ClusterObject {
  status?: {
    phase?: string
    conditions?: Condition[]
    containerStatuses?: {
      name: string
      restartCount: number
      state?: ContainerState
      lastState?: ContainerState
    }[]
  }
}

export interface Job extends ClusterObject {
  status?: { conditions?: Condition[] }
}

export interface Deployment extends ClusterObject {
  spec: { replicas?: number; template: { metadata?: { labels?: Record<string, string> } } }
  status?: {
    observedGeneration?: number
    replicas?: number
    updatedReplicas?: number
    availableReplicas?: number
    conditions?: Condition[]
  }
}

/** A kind of objects, as the API server names it. */
export interface Kind {
  apiVersion: string
  kind: string
}

export const SERVICE: Kind = { apiVersion: 'serving.knative.dev/v1', kind: 'Service' }
export const CONFIGURATION: Kind = { apiVersion: 'serving.knative.dev/v1', kind: 'Configuration' }
export const REVISION: Kind = { apiVersion: 'serving.knative.dev/v1', kind: 'Revision' }
export const NAMESPACE: Kind = { apiVersion: 'v1', kind: 'Namespace' }
export const POD: Kind = { apiVersion: 'v1', kind: 'Pod' }
export const JOB: Kind = { apiVersion: 'batch/v1', kind: 'Job' }
export const DEPLOYMENT: Kind = { apiVersion: 'apps/v1', kind: 'Deployment' }

/** The status of a condition, and why it is so. */
export function conditionOf(conditions: readonly Condition[] | undefined, type: string) {
  return conditions?.find((condition) => condition.type === type)
}
