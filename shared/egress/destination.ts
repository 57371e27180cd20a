/**
 * Where requests of a tenant may go: addresses of the public Internet by https, and what somebody allowed.
 *
 * A tenant's own allow-list lifts the rules about scheme and port. Only where the operator's list names the origin as well
 * may it be private: a tenant cannot allow itself what is not its own.
 */
import { isIP } from 'node:net'
import { Failure } from '../failures.ts'
import { isPublicAddress } from './public-address.ts'

/** What is let out besides https to the public Internet; origins such as `http://tools.example.com:8080`. */
export interface EgressRules {
  /** The tenant's allow-list. */
  allow?: readonly string[]
  /** The operator's (`EGRESS_PRIVATE_ALLOWED`): origins that may be private. */
  privateAllowed?: readonly string[]
}

export interface Destination {
  url: URL
  /** Whether its addresses may be private. */
  mayBePrivate: boolean
}

const MAX_URL = 2048
const PORTS = new Set(['', '443', '8443'])

/** Names that mean something inside a network only; the last label, or the last two. */
const INSIDE_NAMES =
  /(^|\.)(localhost|local|localdomain|internal|intranet|private|lan|home|corp|svc|cluster|test|example|invalid|onion|arpa)$/

/**
 * Reads `text` as a place that a request may go to, as far as is known before its name is resolved.
 *
 * @throws Failure EGRESS_DENIED
 */
export function readDestination(text: string, rules: EgressRules): Destination {
  if (text.length > MAX_URL) throw denied('the URL', `it is longer than ${MAX_URL} characters`)
  const url = URL.parse(text)
  if (url === null) throw denied('the URL', 'it is not an absolute URL')
  const { origin, protocol, port } = url
  if (protocol !== 'https:' && protocol !== 'http:') throw denied('the URL', 'it is not https')
  if (url.username !== '' || url.password !== '') throw denied(origin, 'it carries credentials')
  const isAllowed = names(rules.allow, origin)
  const mayBePrivate = isAllowed && names(rules.privateAllowed, origin)
  if (!mayBePrivate) checkHost(url)
  if (!isAllowed && protocol !== 'https:') throw denied(origin, 'it is not https')
  if (!isAllowed && !PORTS.has(port)) throw denied(origin, `port ${port} is not one of 443 and 8443`)
  return { url, mayBePrivate }
}

/** @throws Failure EGRESS_DENIED unless all of `addresses` are public: the one that is not may be the one that is taken */
export function checkAddresses(origin: string, addresses: readonly string[]): void {
  if (!addresses.every(isPublicAddress)) throw denied(origin, 'its address is not of the public Internet')
}

export function denied(what: string, why: string): Failure {
  return new Failure('EGRESS_DENIED', `Cannot call "${what}": ${why}`, {
    suggestion: 'Use an https address of the public Internet, or have the origin allowed',
  })
}

/** The URL parser has written every form of an IPv4 address as four numbers, and IPv6 in brackets. */
function checkHost({ hostname, origin }: URL): void {
  const host = hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) > 0) return checkAddresses(origin, [host])
  const name = host.replace(/\.$/, '')
  if (!name.includes('.') || INSIDE_NAMES.test(name)) throw denied(origin, 'its name is of a private network')
}

function names(origins: readonly string[] | undefined, origin: string): boolean {
  return origins?.some((each) => URL.parse(each)?.origin === origin) ?? false
}
