/**
 * Finds the addresses of a name that a tenant chose.
 *
 * The name servers themselves are queried: `getaddrinfo` would try the search domains of the cluster, read the hosts file,
 * and hold one of the few threads of this process for as long as the slowest name server of the tenant likes.
 */
import { lookup, Resolver } from 'node:dns/promises'

/** All addresses of a name; none where it has none. */
export type ResolveName = (name: string) => Promise<string[]>

const resolver = new Resolver({ timeout: 2000, tries: 2 })

export const resolvePublicName: ResolveName = async (name) => {
  const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
  return found.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
}

/** For names that the operator trusts: as the machine resolves them, `localhost` and cluster names included. */
export const resolveTrustedName: ResolveName = async (name) => {
  const found = await lookup(name, { all: true })
  return found.map(({ address }) => address)
}
