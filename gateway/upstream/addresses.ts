/**
 * Where to connect for a cluster host name. With cluster DNS the name itself is the address; on one machine all
 * names are answered at one place, which tells them apart by the Host header.
 */
import { z } from 'zod'
import { json } from '../../shared/config.ts'

/** The variables that say so. */
export const AddressSettings = z.object({
  /** `host:port` that answers for every cluster name. */
  CLUSTER_INGRESS: z.string().optional(),
  /** Cluster names that are answered elsewhere: `{"stream-hub.kgents.svc.cluster.local": "127.0.0.1:8090"}`. */
  STATIC_HOSTS: json(z.record(z.string(), z.string())).optional(),
})

/** Answers the origin to connect to, such as `http://127.0.0.1:8080`. */
export type Resolve = (host: string, port: number) => string

const CLUSTER_SUFFIX = '.svc.cluster.local'

export function createResolver(settings: z.infer<typeof AddressSettings>): Resolve {
  const fixed = new Map(Object.entries(settings.STATIC_HOSTS ?? {}))
  return (host, port) => {
    const elsewhere = fixed.get(host)
    if (elsewhere !== undefined) return `http://${elsewhere}`
    if (settings.CLUSTER_INGRESS !== undefined && host.endsWith(CLUSTER_SUFFIX)) {
      return `http://${settings.CLUSTER_INGRESS}`
    }
    return `http://${host}:${port}`
  }
}
