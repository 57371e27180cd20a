/** What is in a cluster, as kubectl reports it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** As much of an object of Kubernetes as is looked at. */
export interface ClusterObject {
  metadata: { name: string; namespace?: string }
  data?: Record<string, string>
  spec?: { replicas?: number }
  status?: {
    conditions?: { type: string; status: string; reason?: string; message?: string }[]
    readyReplicas?: number
    availableReplicas?: number
  }
}

export interface Cluster {
  /** The object, or undefined where there is none, or none of its kind. */
  get(kind: string, name: string, namespace?: string): Promise<ClusterObject | undefined>
  /** All of a kind, in one namespace if it has any; none where the cluster does not know the kind. */
  list(kind: string, namespace?: string): Promise<ClusterObject[]>
}

const AS_JSON = ['--output', 'json']

/** That the cluster cannot be asked at all. */
export class Unreachable extends Error {}

/** The cluster of the current context of kubectl. */
export function openCluster(): Cluster {
  return {
    async get(kind, name, namespace) {
      const text = await kubectl([
        'get',
        kind,
        name,
        ...inNamespace(namespace),
        '--ignore-not-found',
        ...AS_JSON,
      ])
      return text === '' ? undefined : (JSON.parse(text) as ClusterObject)
    },
    async list(kind, namespace) {
      const text = await kubectl(['get', kind, ...inNamespace(namespace), ...AS_JSON])
      return text === '' ? [] : (JSON.parse(text) as { items: ClusterObject[] }).items
    },
  }
}

function inNamespace(namespace: string | undefined): string[] {
  return namespace === undefined ? [] : ['--namespace', namespace]
}

/** What kubectl prints; nothing where the cluster does not know the kind. */
async function kubectl(args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('kubectl', args, { maxBuffer: 64 * 1024 * 1024 })
    return stdout.trim()
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
    if (said.includes("the server doesn't have a resource type")) return ''
    const reason = said.split('\n').at(-1) || (error instanceof Error ? error.message : String(error))
    throw new Unreachable(`Cannot ask the cluster: ${reason}`, { cause: error })
  }
}
