/**
 * Picks the route of a request as Kong's `traditional_compatible` router does: most kinds of attributes first, then
 * most headers, then a regular expression before a prefix, then `regex_priority`, then the longer prefix.
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
  rank: readonly number[]
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
    .sort((a, b) => compareRanks(b.rank, a.rank))
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
  const { methods, headers, regex_priority } = match.route
  const isRegex = path.startsWith('~')
  const pattern = isRegex ? new RegExp(`^${path.slice(1)}`) : undefined
  const tests = Object.entries(headers ?? {}).map(([name, values]) => toHeaderTest(name, values))
  const kinds = 1 + (methods === undefined ? 0 : 1) + (tests.length === 0 ? 0 : 1)
  return {
    match,
    methods: methods === undefined ? undefined : new Set(methods),
    matchesPath: pattern === undefined ? (text) => text.startsWith(path) : (text) => pattern.test(text),
    headers: tests,
    rank: [
      kinds,
      tests.length,
      isRegex ? 1 : 0,
      isRegex ? (regex_priority ?? 0) : 0,
      isRegex ? 0 : path.length,
    ],
  }
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

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (const [index, rank] of a.entries()) {
    const difference = rank - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
