/** Where a Trigger sends events, as the URL that the object there has in a cluster. */
import type { Destination } from '../../objects.ts'

/** Cluster name of the Broker's ingress; the path is `/<namespace>/<broker>`. */
export const BROKER_HOST = 'broker-ingress.knative-eventing.svc.cluster.local'

const CLUSTER_DOMAIN = '.svc.cluster.local'

/**
 * The URL of `destination`, seen from `namespace`.
 *
 * @throws TypeError where it has none that follows from the object alone
 */
export function resolveDestination({ ref, uri }: Destination, namespace: string): URL {
  if (ref === undefined) {
    if (uri === undefined || !URL.canParse(uri))
      throw new TypeError(`Cannot deliver to "${uri}": not an absolute URL`)
    return new URL(uri)
  }
  const home = ref.namespace ?? namespace
  if (ref.kind === 'Broker') return new URL(`http://${BROKER_HOST}/${home}/${ref.name}`)
  if (ref.kind !== 'Service')
    throw new TypeError(`Cannot deliver to ${ref.kind} "${ref.name}": not supported locally`)
  return new URL(uri ?? '/', `http://${ref.name}.${home}${CLUSTER_DOMAIN}`)
}

/** Whether `url` is answered inside the cluster, and so by the stand-in. */
export function isInCluster(url: URL): boolean {
  return url.hostname.endsWith(CLUSTER_DOMAIN)
}
