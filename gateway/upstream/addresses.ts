/**
 * Where to connect for a cluster host name. With cluster DNS the name itself is the address; on one machine all
 * names are answered at one place, which distinguishes them by the Host header.
 */
import type { z } from 'zod'
import type { AddressSettings } from '../../shared/config.ts'

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
