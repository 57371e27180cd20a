/** What kubectl makes of a folder of manifests, as `kubectl apply -k` would apply it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { UsageError } from './usage-error.ts'

const MAX_BYTES = 256 * 1024 * 1024

/**
 * The objects of `folder`. Kustomize writes objects of Kubernetes and nothing else, so `T` is their common part.
 *
 * @throws UsageError where it cannot be built; its cause has the code ENOENT where there is no kubectl
 */
export async function kustomize<T>(folder: string): Promise<T[]> {
  try {
    const { stdout } = await promisify(execFile)('kubectl', ['kustomize', folder], { maxBuffer: MAX_BYTES })
    return readObjects(stdout)
  } catch (cause) {
    throw new UsageError(`Cannot build "${folder}": ${reasonOf(cause)}`, { cause })
  }
}

/** What kubectl has said, without the time and place that it logs; else why it did not run. */
function reasonOf(cause: unknown): string {
  const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : ''
  const [, logged] = / err="(.*)"$/s.exec(said) ?? []
  return logged ?? (said || (cause instanceof Error ? cause.message : String(cause)))
}

/** The objects in a YAML text. */
export function readObjects<T>(text: string): T[] {
  return parseAllDocuments(text).flatMap((document) => {
    const object = document.toJS() as T | null
    return object === null ? [] : [object]
  })
}
