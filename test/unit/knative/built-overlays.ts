/** What kubectl makes of each environment's overlay. */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import type { PodSpec } from './pod-security.ts'
import type { KubernetesObject } from './structural-schema.ts'

const OVERLAYS = fileURLToPath(new URL('../../../knative/manifests/overlays/', import.meta.url))

export const ENVIRONMENTS = readdirSync(OVERLAYS)

/** The objects of an overlay; undefined where there is no kubectl. */
export async function buildOverlay(environment: string): Promise<KubernetesObject[] | undefined> {
  try {
    const { stdout } = await promisify(execFile)('kubectl', ['kustomize', `${OVERLAYS}${environment}`], {
      maxBuffer: 2 ** 26,
    })
    return parseAllDocuments(stdout).map((document) => document.toJS() as KubernetesObject)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
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
