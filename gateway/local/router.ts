/**
 * Picks the route of a request as the `traditional_compatible` router of Kong 3.9 does: the one with the highest priority of
 * those that match.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { LRUCache } from 'lru-cache'
import type { KongConfig, KongRoute, KongService } from '../kong/types.ts'

export interface Match {
  route: KongRoute
  /** Absent where a plugin of the route answers. */
  service?: KongService
}

/** One route with one of its paths. */
interface Candidate<M extends Match> {
  match: M
  methods: ReadonlySet<string> | undefined
  matchesPath: (path: string) => boolean
  headers: readonly HeaderTest[]
  priority: bigint
}

interface HeaderTest {
  name: string
  matches: (value: string) => boolean
}

/** As many as Kong remembers. */
const REMEMBERED_PATHS = 5_000
/** Longer ones are looked up anew: whoever sends them could otherwise fill the memory. */
const REMEMBERED_LENGTH = 256

export type FindRoute<M> = (method: string, path: string, headers: IncomingHttpHeaders) => M | undefined

/** All routes of `config`, those without a service included. */
export function listMatches(config: KongConfig): Match[] {
  const ofServices = config.services.flatMap((service) => service.routes.map((route) => ({ route, service })))
  return [...ofServices, ...config.routes.map((route) => ({ route }))]
}

/**
 * Creates the lookup over `matches`. Which routes fit method and path is remembered, so that a busy path costs one
 * map lookup and a test of its headers.
 */
export function createRouter<M extends Match>(matches: readonly M[]): FindRoute<M> {
  const candidates = matches
    .flatMap((match) => match.route.paths.map((path) => toCandidate(match, path)))
    .sort((a, b) => (a.priority < b.priority ? 1 : a.priority > b.priority ? -1 : 0))
  const known = new LRUCache<string, Candidate<M>[]>({ max: REMEMBERED_PATHS })

  function fitting(method: string, path: string): Candidate<M>[] {
    const name = `${method} ${path}`
    const remembered = known.get(name)
    if (remembered !== undefined) return remembered
    const found = candidates.filter(
      ({ methods, matchesPath }) => (methods?.has(method) ?? true) && matchesPath(path),
    )
    if (name.length <= REMEMBERED_LENGTH) known.set(name, found)
    return found
  }

  return (method, path, headers) => {
    for (const candidate of fitting(method, path)) {
      if (candidate.headers.every((test) => fits(test, headers))) return candidate.match
    }
    return undefined
  }
}

function toCandidate<M extends Match>(match: M, path: string): Candidate<M> {
  const { methods, headers } = match.route
  const isRegex = path.startsWith('~')
  const pattern = isRegex ? new RegExp(`^${path.slice(1)}`) : undefined
  const tests = Object.entries(headers ?? {}).map(([name, values]) => toHeaderTest(name, values))
  return {
    match,
    methods: methods === undefined ? undefined : new Set(methods),
    matchesPath: pattern === undefined ? (text) => text.startsWith(path) : (text) => pattern.test(text),
    headers: tests,
    priority: priorityOf(match.route, path),
  }
}

const REGEX_BIT = 1n << 51n

/**
 * What Kong 3.9.3 orders a route by (kong/router/transform.lua). Meant are four fields of a 64-bit number, but LuaJIT shifts
 * plain numbers by the distance modulo 32 and to 32 bits: kinds of attributes come to lie at bit 29 where 61 is written, the
 * number of headers at bit 20 where 52 is, and `regex_priority` at bit 19, across both of them. A sum that has bit 31 is
 * negative and, widened, sets all bits above.
 *
 * @param path the one of the route's paths that is ranked
 */
export function priorityOf(route: KongRoute, path: string): bigint {
  const { methods, headers, regex_priority = 0 } = route
  const headerCount = Object.keys(headers ?? {}).length
  const kinds = 1 + (methods === undefined ? 0 : 1) + (headerCount === 0 ? 0 : 1)
  const isRegex = path.startsWith('~')
  const priority = isRegex ? REGEX_BIT | BigInt(regex_priority << 19) : BigInt(path.length)
  return BigInt.asUintN(64, priority | BigInt(kinds << 29) | BigInt(headerCount << 20))
}

/** Kong compares values, and patterns, in lower case. */
function toHeaderTest(name: string, values: readonly string[]): HeaderTest {
  const tests = values.map((value) => {
    const wanted = value.toLowerCase()
    if (!wanted.startsWith('~*')) return (given: string) => given === wanted
    const pattern = new RegExp(wanted.slice(2))
    return (given: string) => pattern.test(given)
  })
  return { name: name.toLowerCase(), matches: (value) => tests.some((test) => test(value)) }
}

function fits(test: HeaderTest, headers: IncomingHttpHeaders): boolean {
  const value = headers[test.name]
  if (value === undefined) return false
  return typeof value === 'string'
    ? test.matches(value.toLowerCase())
    : value.some((each) => test.matches(each.toLowerCase()))
}
