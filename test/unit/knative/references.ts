/** Secrets and ConfigMaps that pods read, by what reads them. */
import { workloadsOf } from './built-overlays.ts'
import type { KubernetesObject } from './structural-schema.ts'

export interface Reference {
  kind: 'Secret' | 'ConfigMap'
  namespace: string
  name: string
  /** Absent where all of it is read. */
  key?: string
}

interface Named {
  name: string
  key?: string
  optional?: boolean
}

interface Source {
  name?: string
  secretName?: string
  optional?: boolean
  items?: { key: string }[]
}

/** What the pods of `objects` cannot start without. */
export function referencesOf(objects: readonly KubernetesObject[]): Reference[] {
  return workloadsOf(objects).flatMap(({ metadata: { namespace = '' }, pod }) => {
    const containers = [...(pod.initContainers ?? []), ...pod.containers] as unknown as {
      env?: { valueFrom?: { secretKeyRef?: Named; configMapKeyRef?: Named } }[]
      envFrom?: { secretRef?: Named; configMapRef?: Named }[]
    }[]
    const ofVariables = containers.flatMap(({ env = [], envFrom = [] }) => [
      ...env.flatMap(({ valueFrom }) => [
        ...needed('Secret', valueFrom?.secretKeyRef),
        ...needed('ConfigMap', valueFrom?.configMapKeyRef),
      ]),
      ...envFrom.flatMap(({ secretRef, configMapRef }) => [
        ...needed('Secret', secretRef),
        ...needed('ConfigMap', configMapRef),
      ]),
    ])
    return [...ofVariables, ...(pod.volumes ?? []).flatMap(ofVolume)].map((each) => ({ namespace, ...each }))
  })
}

type InNamespace = Omit<Reference, 'namespace'>

function needed(kind: Reference['kind'], source: Named | undefined): InNamespace[] {
  if (source === undefined || source.optional === true) return []
  return [{ kind, name: source.name, ...(source.key === undefined ? {} : { key: source.key }) }]
}

function ofVolume(volume: Record<string, unknown>): InNamespace[] {
  const { secret, configMap, projected } = volume as {
    secret?: Source
    configMap?: Source
    projected?: { sources: { secret?: Source; configMap?: Source }[] }
  }
  return [{ secret, configMap }, ...(projected?.sources ?? [])].flatMap((each) => [
    ...ofSource('Secret', each.secret),
    ...ofSource('ConfigMap', each.configMap),
  ])
}

function ofSource(kind: Reference['kind'], source: Source | undefined): InNamespace[] {
  if (source === undefined || source.optional === true) return []
  const name = source.secretName ?? source.name ?? ''
  return source.items?.map(({ key }) => ({ kind, name, key })) ?? [{ kind, name }]
}
