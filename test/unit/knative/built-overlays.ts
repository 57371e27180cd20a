/** What kubectl makes of each environment's overlay. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { kustomize } from '../../../knative/kustomize.ts'
import type { PodSpec } from './pod-security.ts'
import type { KubernetesObject } from './structural-schema.ts'

const OVERLAYS = fileURLToPath(new URL('../../../knative/manifests/overlays/', import.meta.url))

export const ENVIRONMENTS = readdirSync(OVERLAYS)

/** The objects of an overlay; undefined where there is no kubectl. */
export function buildOverlay(environment: string): Promise<KubernetesObject[] | undefined> {
  return buildFolder(`${OVERLAYS}${environment}`)
}

/** The objects of a folder; undefined where there is no kubectl. */
export async function buildFolder<T = KubernetesObject>(folder: string): Promise<T[] | undefined> {
  try {
    return await kustomize<T>(folder)
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } }
    if (cause?.code === 'ENOENT') return undefined
    throw error
  }
}

export interface Workload extends KubernetesObject {
  labels: Record<string, string>
  pod: PodSpec
}

interface Template {
  metadata?: { labels?: Record<string, string> }
  spec: PodSpec
}

/** The objects among `objects` that make pods of Kubernetes. */
export function workloadsOf(objects: readonly KubernetesObject[]): Workload[] {
  return objects.flatMap((object) => {
    const { spec } = object as {
      spec?: { template?: Template; jobTemplate?: { spec: { template: Template } } }
    }
    const template = object.kind === 'CronJob' ? spec?.jobTemplate?.spec.template : spec?.template
    if (!WORKLOADS.has(object.kind) || template === undefined) return []
    return [{ ...object, labels: template.metadata?.labels ?? {}, pod: template.spec }]
  })
}

const WORKLOADS = new Set(['Service', 'Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob'])
