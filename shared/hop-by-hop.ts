/** Headers about one connection, which no intermediary passes on (RFC 9110, section 7.6.1). */

const HOP_BY_HOP = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Whether `name` (in lower case) concerns this connection only. */
export function isHopByHop(name: string): boolean {
  return HOP_BY_HOP.has(name)
}
