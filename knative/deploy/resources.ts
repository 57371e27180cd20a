/** Where the API server has the objects of a kind: it says so itself, once for each group. */
import { Refused } from './api-errors.ts'
import type { Kind } from './objects.ts'

interface ResourceList {
  resources: { name: string; kind: string; namespaced: boolean }[]
}

/**
 * Answers the path of a kind's objects, or of one of them; undefined where the cluster does not know the kind.
 *
 * @param read answers what the API server has at a path
 */
export function createResources(read: (path: string) => Promise<ResourceList>) {
  const groups = new Map<string, Promise<ResourceList>>()

  /** What is not there is not remembered: its definition may be applied in a moment. */
  async function resourcesOf(root: string): Promise<ResourceList> {
    const present = groups.get(root) ?? read(root)
    groups.set(root, present)
    try {
      return await present
    } catch (error) {
      groups.delete(root)
      if (error instanceof Refused) return { resources: [] }
      throw error
    }
  }

  return async (
    { apiVersion, kind }: Kind,
    namespace?: string,
    name?: string,
  ): Promise<string | undefined> => {
    const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
    const { resources } = await resourcesOf(root)
    const resource = resources.find((each) => each.kind === kind && !each.name.includes('/'))
    if (resource === undefined) {
      groups.delete(root)
      return undefined
    }
    const scope = resource.namespaced ? `/namespaces/${namespace ?? 'default'}` : ''
    return `${root}${scope}/${resource.name}${name === undefined ? '' : `/${name}`}`
  }
}
