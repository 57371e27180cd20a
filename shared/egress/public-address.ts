/**
 * Which IP addresses belong to the public Internet. Everything else leads back into a network that a tenant has no
 * business in: this machine, the cluster, the cloud's metadata service.
 *
 * IPv6 is checked by what is public, since only one eighth of it is given out; the forms that carry an IPv4 address inside
 * (mapped, NAT64, 6to4, Teredo) are never public here, whatever they carry.
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** IANA's special-purpose registry, and Azure's "wire server", which is a public number for an inside service. */
export const SPECIAL_IPV4 = [
  '0.0.0.0/8', // this network; Linux takes 0.0.0.0 for itself
  '10.0.0.0/8',
  '100.64.0.0/10', // carriers' NAT, and a cloud's metadata
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16', // link-local, and the metadata of most clouds
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16',
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
]

export const GLOBAL_IPV6 = '2000::/3'

export const SPECIAL_IPV6 = [
  '2001::/23', // protocols: Teredo, ORCHID, benchmarks
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4: an IPv4 address inside
  '3fff::/20', // documentation
]

const specialIpv4 = lazyList('ipv4', SPECIAL_IPV4)
const globalIpv6 = lazyList('ipv6', [GLOBAL_IPV6])
const specialIpv6 = lazyList('ipv6', SPECIAL_IPV6)

/** Whether `address`, in the form in which DNS and sockets write it, is of the public Internet. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !specialIpv4().check(address, 'ipv4')
  // A zone, as in fe80::1%eth0, names an interface of this machine.
  if (!isIPv6(address) || address.includes('%')) return false
  return globalIpv6().check(address, 'ipv6') && !specialIpv6().check(address, 'ipv6')
}

/** Made when it is first asked: a snapshot of a started process can hold no list. */
function lazyList(family: 'ipv4' | 'ipv6', subnets: readonly string[]): () => BlockList {
  let list: BlockList | undefined
  return () => (list ??= listOf(family, subnets))
}

function listOf(family: 'ipv4' | 'ipv6', subnets: readonly string[]): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [network = '', prefix] = subnet.split('/')
    list.addSubnet(network, Number(prefix), family)
  }
  return list
}
