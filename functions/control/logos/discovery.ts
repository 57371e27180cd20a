/** What paths there are, from the catalog; open to guests, since it shows no data of tenants. */
import { parseKept } from '../../../shared/exact-json.ts'
import { z } from 'zod'
import { hasAffordance } from '../../../shared/agentese/affordances.ts'
import { capabilitiesOf } from '../../../shared/agentese/capabilities.ts'
import { CATEGORIES } from '../../../shared/agentese/category.ts'
import { scopesOf } from '../../../shared/agentese/effects.ts'
import { observerFor } from '../../../shared/agentese/observer.ts'
import {
  CONTEXTS,
  NODE_OR_ALIAS_PATTERN,
  parseNode,
  parsePath,
  parseUrlForm,
  type Context,
} from '../../../shared/agentese/path.ts'
import type { Call, Given } from '../../../shared/contract/call.ts'
import { Flag } from '../../../shared/contract/query-values.ts'
import { route } from '../../../shared/contract/define-operation.ts'
import { aspectsOf, findNode } from '../../../shared/contract/find-aspect.ts'
import { isAspect, type EndpointFacts, type FunctionFacts } from '../../../shared/contract/facts.ts'
import { inputSchemaOf, outputSchemaOf } from '../../../shared/contract/schemas.ts'
import { Failure } from '../../../shared/failures.ts'
import { expanderFor, findPath } from './resolve.ts'

const AnyInput = z.record(z.string(), z.unknown())

const PathContract = z.strictObject({
  path: z.string(),
  summary: z.string(),
  category: z.string(),
  effects: z.array(z.string()),
  permission: z.string().nullable(),
  scopes: z.array(z.string()),
  archetypes: z.union([z.literal('all'), z.array(z.string())]),
  guests: z.boolean(),
  asynchronous: z.boolean(),
  input: AnyInput.optional(),
  output: AnyInput.optional(),
  examples: z.array(z.strictObject({ summary: z.string(), holon: z.string().optional(), input: AnyInput })),
})
type PathContract = z.infer<typeof PathContract>

const Discovery = z.strictObject({ paths: z.array(PathContract), total: z.int() })

const IncludeSchemas = Flag.default(true)

export const discoveryRoutes = {
  discover: route({
    route: 'GET /v1/agentese/discover',
    summary: 'Every path with its contract',
    auth: 'optional',
    needs: ['catalog'],
    input: z.strictObject({ context: z.enum(CONTEXTS).optional(), include_schemas: IncludeSchemas }),
    output: Discovery,
    handle: ({ context, include_schemas }, call) => discover(context, include_schemas, call),
  }),

  discoverContext: route({
    route: 'GET /v1/agentese/discover/:context',
    summary: 'Every path of one context with its contract',
    auth: 'optional',
    needs: ['catalog'],
    input: z.strictObject({ context: z.enum(CONTEXTS), include_schemas: IncludeSchemas }),
    output: Discovery,
    handle: ({ context, include_schemas }, call) => discover(context, include_schemas, call),
  }),

  resolve: route({
    route: 'GET /v1/agentese/resolve',
    summary: 'What serves a path, an aliased path or a link such as world.house:manifest, and how to call it',
    permission: 'agentese:read',
    scopes: ['path:read'],
    needs: ['postgres', 'catalog'],
    input: z.strictObject({ path: z.string().max(2000) }),
    output: z.strictObject({
      path: z.string(),
      context: z.string(),
      handle: z.string(),
      aspect: z.string(),
      function: z.string(),
      category: z.string(),
      affordances: z.array(z.string()),
      invoke: z.strictObject({ method: z.string(), url: z.string(), input: AnyInput }),
    }),
    examples: [{ summary: 'An alias', input: { path: 'chaos.sip' } }],
    transaction: false,
    handle: ({ path }, call) => resolve(path, call),
  }),

  affordances: route({
    route: 'GET /v1/agentese/affordances',
    summary: 'The verbs that an observer has on a node',
    permission: 'agentese:read',
    scopes: ['path:read'],
    needs: ['postgres', 'catalog'],
    input: z.strictObject({
      path: z.string().max(200).meta({ pattern: NODE_OR_ALIAS_PATTERN }),
      archetype: z.string().max(64).optional(),
    }),
    output: z.strictObject({
      path: z.string(),
      observer_archetype: z.string(),
      affordances: z.array(z.string()),
    }),
    examples: [{ summary: 'As a poet', input: { path: 'self.soul', archetype: 'poet' } }],
    transaction: false,
    async handle({ path, archetype }, call) {
      const expand = await expanderFor(path, call)
      const { context, holon } = parseNode(expand(path))
      const handle = `${context}.${holon}`
      return { path: handle, ...(await affordancesOf(handle, archetype, call)) }
    },
  }),
}

async function discover(
  context: Context | undefined,
  includeSchemas: boolean,
  { catalog, nodesOf }: Pick<Call, 'catalog' | 'nodesOf'>,
) {
  const nodes = context === undefined ? await catalog() : await nodesOf(context)
  const paths = nodes
    .flatMap(({ endpoints }) => endpoints)
    .flatMap((endpoint) => contractOf(endpoint, includeSchemas) ?? [])
    .sort((a, b) => (a.path < b.path ? -1 : 1))
  return { paths, total: paths.length }
}

/** The contract of an aspect; undefined for anything else. */
export function contractOf(endpoint: EndpointFacts, includeSchemas: boolean): PathContract | undefined {
  if (!isAspect(endpoint)) return undefined
  const { aspect } = endpoint
  const { category, effects, archetypes } = aspect
  return {
    path: aspect.path,
    summary: endpoint.summary,
    category,
    effects: [...effects],
    permission: endpoint.permission ?? null,
    scopes: scopesOf(effects),
    archetypes: archetypes === 'all' ? 'all' : [...archetypes],
    guests: endpoint.auth === 'optional',
    asynchronous: endpoint.streams,
    ...(includeSchemas
      ? { input: { ...inputSchemaOf(endpoint) }, output: { ...outputSchemaOf(endpoint) } }
      : {}),
    examples: endpoint.examples.map(({ summary, input, holon }) => ({
      summary,
      input,
      ...(holon === undefined ? {} : { holon }),
    })),
  }
}

/** What looking for a path takes: the catalog, and rows of the caller. */
type Resolving = Given<'postgres' | 'catalog', 'caller'>

async function resolve(text: string, call: Resolving) {
  const { path: written, parameters } = readResolvable(text)
  const expand = await expanderFor(written, call)
  const path = expand(written)
  const { context, holon, aspect } = parsePath(path)
  const { definition, endpoint } = await findPath(path, call)
  const { affordances } = await affordancesOf(`${context}.${holon}`, undefined, call)
  return {
    path,
    context,
    handle: `${context}.${holon}`,
    aspect,
    function: definition.name,
    category: CATEGORIES[endpoint.aspect.category].name,
    affordances,
    invoke: { method: 'POST', url: `/v1/agentese/${path.replaceAll('.', '/')}`, input: parameters },
  }
}

/** A link has its parameters as text; those that read as numbers or booleans become such. */
function readResolvable(text: string): { path: string; parameters: Record<string, unknown> } {
  if (!text.includes(':')) return { path: text, parameters: {} }
  const { path, parameters } = parseUrlForm(text)
  const { context, holon, aspect } = path
  const values = Object.entries(parameters).map(([name, value]) => [name, readValue(value)])
  return { path: `${context}.${holon}.${aspect}`, parameters: Object.fromEntries(values) }
}

function readValue(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?(0|[1-9]\d{0,100})(\.\d{1,100})?$/.test(text) ? parseKept(text) : text
}

async function affordancesOf(handle: string, archetype: string | undefined, call: Resolving) {
  const { identity, requestedArchetype } = call
  const observer = observerFor(identity.user, identity.roles, archetype ?? requestedArchetype)
  const catalog = await call.catalog()
  const capabilities = await call.transact('read', ({ db }) =>
    capabilitiesOf(db, identity, () => aspectsOf(catalog)),
  )
  const affordances = aspectsOf([nodeOf(handle, catalog)])
    .filter((aspect) => hasAffordance({ ...observer, capabilities }, aspect))
    .map(({ verb }) => verb)
  return { observer_archetype: observer.archetype, affordances }
}

function nodeOf(handle: string, catalog: readonly FunctionFacts[]): FunctionFacts {
  const [context = '', holon = ''] = handle.split('.')
  const found = findNode(catalog, context, holon)
  if (found !== undefined) return found
  throw new Failure('NODE_NOT_REGISTERED', `Cannot find "${handle}": there is no such node`, {
    suggestion: 'GET /v1/agentese/discover lists every path',
    available: catalog.flatMap(({ node }) => (node?.startsWith(`${context}.`) === true ? node : [])),
  })
}
