/**
 * Routes of one function: one for each endpoint, its variants by header, some for other methods of their paths, and one for
 * everything else under a node.
 *
 * Kong 3.9 takes a regular expression before a prefix. Among the former it takes the route with the most kinds of
 * attributes; the rest is one number, into which it adds `regex_priority` and the number of headers (`router.ts` has the
 * formula). So a variant with a header always beats its plain route, also that of a more specific path: this is why endpoints
 * under a prefix have these variants even where anybody may call. Routes to the stream hub stand above all others with
 * as many kinds of attributes.
 */
import type { BodyForm } from '../../shared/contract/facts.ts'
import { ABOVE_ALL_PATHS, pathPattern, specificity } from '../endpoint-paths.ts'
import { letEventsIn, limitAddress, requireToken } from './plugins.ts'
import { TOKEN_TAG } from './request-lua.ts'
import type { KongRoute } from './types.ts'

/** What routes are made from; a `FunctionDefinition` has it. */
export interface RoutedFunction {
  name: string
  scale: { timeoutSeconds: number }
  node?: string
  endpoints: readonly RoutedEndpoint[]
}

export interface RoutedEndpoint {
  name: string
  method: string
  path: string
  auth: 'none' | 'optional' | 'required' | 'api-key' | 'optional-api-key' | 'invitation'
  streams: boolean
  perAddress?: number
  /** Where events are taken, their attributes may come in headers. */
  body?: BodyForm
  /** Of `mcp`, the function itself answers who brings no credential: its challenge names the metadata of the resource. */
  errors?: string
}

/** Kong can check neither an API key nor a session, so who sends one passes without a token and is checked by the function alone. */
const UNCHECKED = {
  key: { 'x-api-key': ['~*^kg_'] },
  /** As clients of OpenAI send a key, and directories that speak SCIM. */
  bearer: { authorization: ['~*^bearer +kg_'] },
  session: { cookie: [String.raw`~*(^|;\s*)(__host-)?kgents_session=kgs_`] },
}
/** A request for one of these waits, and waiting is the stream hub's work. */
const WAITS = { sse: { accept: ['~*text/(event-stream|\\*)'] }, wait: { prefer: ['~*wait=[0-9]'] } }

const AGENTESE = '/v1/agentese/'

/** Routes to the function itself. */
export function functionRoutes(definition: RoutedFunction, prefix: string | undefined): KongRoute[] {
  const routes = [
    ...definition.endpoints.flatMap((endpoint) => endpointRoutes(endpoint, '')),
    ...otherMethods(definition.name, definition.endpoints),
  ]
  if (prefix === undefined) return routes
  const rest: KongRoute = {
    name: `${definition.name}.any`,
    paths: [prefix],
    strip_path: false,
    preserve_host: false,
  }
  const open = definition.endpoints.some(
    ({ auth }) => auth !== 'required' && auth !== 'optional' && auth !== 'invitation',
  )
  return [...routes, ...withVariants(rest, !open, true)]
}

/**
 * Routes to the stream hub, for callers that stay on the line. An endpoint that does not stream has them where the path of one
 * that does would match too: a caller who wants a stream reaches the hub there anyway, and must not need a token for what
 * is open.
 */
export function waitingRoutes(endpoints: readonly RoutedEndpoint[]): KongRoute[] {
  const streaming = endpoints.filter(({ streams }) => streams)
  const isCovered = ({ method, path }: RoutedEndpoint) =>
    streaming.some((each) => each.method === method && new RegExp(`^${pathPattern(each.path)}`).test(path))
  return endpoints
    .filter((endpoint) => endpoint.streams || (endpoint.auth !== 'required' && isCovered(endpoint)))
    .flatMap((endpoint) =>
      Object.entries(WAITS).flatMap(([name, headers]) => endpointRoutes(endpoint, `.${name}`, headers)),
    )
}

/** The endpoint's route, and its variants for API keys and sessions where it needs them. */
export function endpointRoutes(
  endpoint: RoutedEndpoint,
  suffix: string,
  headers?: Record<string, string[]>,
): KongRoute[] {
  const route: KongRoute = {
    // Kong's names know no asterisk.
    name: `${endpoint.name.replace('*', '~')}${suffix}`,
    paths: [`~${pathPattern(endpoint.path)}`],
    // What answers GET answers HEAD; on the hub's routes there is nothing but the body.
    methods: endpoint.method === 'GET' && headers === undefined ? ['GET', 'HEAD'] : [endpoint.method],
    ...(headers === undefined ? {} : { headers }),
    regex_priority: specificity(endpoint.path) + (headers === undefined ? 0 : ABOVE_ALL_PATHS),
    strip_path: false,
    preserve_host: false,
    ...(endpoint.body === 'cloudevents' ? { plugins: letEventsIn() } : {}),
    ...(endpoint.perAddress === undefined ? {} : { plugins: [limitAddress(endpoint.perAddress)] }),
  }
  const required = endpoint.auth === 'required' && endpoint.errors !== 'mcp'
  return withVariants(route, required, required || endpoint.path.startsWith(AGENTESE))
}

/**
 * Every other method of known paths: whoever has them answers 405, and says which there are. One route for each rank. Paths
 * with names under a node go where the rest of its paths goes: they would match aspects that do not exist.
 */
export function otherMethods(name: string, endpoints: readonly RoutedEndpoint[]): KongRoute[] {
  const known = endpoints.filter(({ path }) => !(path.startsWith(AGENTESE) && path.includes(':')))
  const ranks = Map.groupBy(known, ({ path }) => specificity(path))
  return [...ranks].map(([rank, ranked]) => ({
    name: `${name}.other.${rank}`,
    paths: [...new Set(ranked.map(({ path }) => `~${pathPattern(path)}`))],
    regex_priority: rank,
    strip_path: false,
    preserve_host: false,
  }))
}

/** Where the rest of a node's paths goes: to the node, which knows its aspects and can suggest one. */
export function prefixOf(definition: RoutedFunction, fallback: string): string | undefined {
  if (definition.name === fallback) return AGENTESE
  return definition.node === undefined
    ? undefined
    : `${AGENTESE}${definition.node.replace('.*', '').replaceAll('.', '/')}/`
}

function withVariants(route: KongRoute, needsToken: boolean, varied: boolean): KongRoute[] {
  const first = needsToken
    ? { ...route, tags: [TOKEN_TAG], plugins: [...(route.plugins ?? []), requireToken()] }
    : route
  if (!varied) return [first]
  const variants = Object.entries(UNCHECKED).map(([name, headers]) => ({
    ...route,
    name: `${route.name}.${name}`,
    headers: { ...route.headers, ...headers },
  }))
  return [first, ...variants]
}
