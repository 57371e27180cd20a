/**
 * Endpoint paths such as `/v1/jobs/:id`, read once for both sides of the gateway: Kong's routes and the stream hub's
 * look-up of the function behind a request. Both must agree, or the hub would call another function than Kong.
 */

/** How many leading segments count when two paths match the same request. */
const WEIGHED_SEGMENTS = 6
/**
 * The lowest bit of `regex_priority` that a segment has, and the one above all of them. Kong 3.9 adds a route's number of
 * headers (from bit 1) and its kinds of attributes (from bit 10) into the same 32-bit number, so bits 3 to 9 are free as long
 * as no route has more than three headers.
 */
const LOWEST_BIT = 3
export const ABOVE_ALL_PATHS = 2 ** (LOWEST_BIT + WEIGHED_SEGMENTS)

/** A regular expression for exactly this path, good for JavaScript and for Kong (Rust) alike; not anchored at the start. */
export function pathPattern(path: string): string {
  const segments = path.split('/').map((segment) => (segment.startsWith(':') ? '[^/]+' : escape(segment)))
  return `${segments.join('/')}$`
}

/**
 * Which of two matching paths is meant: the one whose first differing segment is spelled out. As a number below
 * `ABOVE_ALL_PATHS`, so that Kong can use it as `regex_priority`.
 */
export function specificity(path: string): number {
  return path
    .split('/')
    .slice(1, 1 + WEIGHED_SEGMENTS)
    .reduce(
      (sum, segment, index) =>
        sum + (segment.startsWith(':') ? 0 : 2 ** (LOWEST_BIT + WEIGHED_SEGMENTS - 1 - index)),
      0,
    )
}

/** The segments of `path` that the endpoint path `pattern` names, by their names. */
export function parametersIn(pattern: string, path: string): Record<string, string> {
  const segments = path.split('/')
  const named = pattern.split('/').map((segment, index) => [segment, segments[index] ?? ''] as const)
  return Object.fromEntries(
    named.flatMap(([segment, value]) => (segment.startsWith(':') ? [[segment.slice(1), value]] : [])),
  )
}

interface Located {
  method: string
  path: string
}

/** Creates the lookup of the endpoint that serves a request: the most specific one wins. */
export function createEndpointLookup<E extends Located>(endpoints: readonly E[]) {
  const rows = [...endpoints]
    .sort((a, b) => specificity(b.path) - specificity(a.path))
    .map((endpoint) => ({ endpoint, pattern: new RegExp(`^${pathPattern(endpoint.path)}`) }))
  return (method: string, path: string): E | undefined =>
    rows.find(({ endpoint, pattern }) => endpoint.method === method && pattern.test(path))?.endpoint
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
