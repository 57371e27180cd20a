/** Names inside the cluster. */

/** Where everything of kgents runs. */
const NAMESPACE = 'kgents'

/** The host name of a function, or of a part such as `stream-hub`, inside the cluster. */
export function hostOf(name: string): string {
  return `${name}.${NAMESPACE}.svc.cluster.local`
}
