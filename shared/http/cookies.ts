/**
 * Cookies of the platform. By https their names begin with `__Host-`, so that no other host and no plain connection can set one;
 * on a machine of one's own, by plain http, they have the bare name.
 */
import { isIP } from 'node:net'
import type { CookieName, SetCookie } from '../contract/cookie.ts'
import { isPublicAddress } from '../egress/public-address.ts'

const COOKIES = {
  session: { name: 'kgents_session', sameSite: 'Strict' },
  // Lax: it comes back from the site of a provider.
  'sign-in': { name: 'kgents_sign_in', sameSite: 'Lax' },
} as const satisfies Record<CookieName, { name: string; sameSite: string }>

/** What is read of a request about its address; names in lower case. */
export interface AddressHeaders {
  cookie?: string | string[] | undefined
  host?: string | undefined
  'x-forwarded-host'?: string | string[] | undefined
  'x-forwarded-proto'?: string | string[] | undefined
}

/** Names that mean this machine, whatever the network says. */
const LOOPBACK_NAME = /^(.+\.)?localhost$/i

/** The value of a cookie of a request; undefined where it has none. */
export function readCookie(headers: AddressHeaders, cookie: CookieName): string | undefined {
  const { cookie: given } = headers
  if (given === undefined) return undefined
  const wanted = `${prefixFor(headers)}${COOKIES[cookie].name}=`
  const pairs = String(given).split(';')
  return pairs
    .find((pair) => pair.trimStart().startsWith(wanted))
    ?.trim()
    .slice(wanted.length)
}

/** `Set-Cookie` for the answer to a request with `headers`. */
export function writeCookie(
  { cookie, value, maxAgeSeconds = 0 }: SetCookie,
  headers: AddressHeaders,
): string {
  const { name, sameSite } = COOKIES[cookie]
  const prefix = prefixFor(headers)
  const age = value === null ? 0 : maxAgeSeconds
  const secure = prefix === '' ? '' : '; Secure'
  return `${prefix}${name}=${value ?? ''}; Path=/; Max-Age=${age}; HttpOnly; SameSite=${sameSite}${secure}`
}

function prefixFor(headers: AddressHeaders): '__Host-' | '' {
  return isPlain(headers) ? '' : '__Host-'
}

/** The host that a client has called, without its port. */
export function hostIn(headers: AddressHeaders): string {
  const { host = '', 'x-forwarded-host': forwarded } = headers
  return String(forwarded ?? host)
    .replace(/:\d*$/, '')
    .toLowerCase()
}

/** A proxy may forget to say https, so http is believed of addresses that are not of the public Internet alone. */
function isPlain(headers: AddressHeaders): boolean {
  if (headers['x-forwarded-proto'] === 'https') return false
  const host = hostIn(headers).replace(/^\[|\]$/g, '')
  return isIP(host) > 0 ? !isPublicAddress(host) : LOOPBACK_NAME.test(host)
}

/** The origin that a client has called, as far as the gateway knows it. */
export function originIn(
  headers: AddressHeaders & { 'x-forwarded-port'?: string | string[] | undefined },
): string {
  const proto = String(headers['x-forwarded-proto'] ?? 'https')
  const forwarded = headers['x-forwarded-port']
  const { host = '' } = headers
  const port = forwarded === undefined ? (/:(\d+)$/.exec(host)?.[1] ?? '') : String(forwarded)
  return new URL(`${proto}://${hostIn(headers) || 'localhost'}${port === '' ? '' : `:${port}`}`).origin
}
