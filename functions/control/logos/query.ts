/** Queries: what there is for this observer. Reads names and contracts, and invokes nothing. */
import { z } from 'zod'
import { hasAffordance, type Viewer } from '../../../shared/agentese/affordances.ts'
import { capabilitiesOf } from '../../../shared/agentese/capabilities.ts'
import { observerFor } from '../../../shared/agentese/observer.ts'
import {
  boundsOf,
  estimateQuery,
  MAX_LIMIT,
  matchesQuery,
  parseQuery,
  toLike,
  type Bounds,
  type Query,
} from '../../../shared/agentese/query.ts'
import type { Call } from '../../../shared/contract/call.ts'
import { Flag, wholeNumber } from '../../../shared/contract/query-values.ts'
import { route } from '../../../shared/contract/define-operation.ts'
import { aspectsOf } from '../../../shared/contract/find-aspect.ts'
import type { FunctionFacts } from '../../../shared/contract/facts.ts'
import type { Db } from '../../../shared/database/database.ts'
import { Failure } from '../../../shared/failures.ts'

const Match = z.strictObject({
  path: z.string(),
  node_type: z.enum(['holon', 'aspect']),
  context: z.string(),
  affordances: z.array(z.string()),
})
type Match = z.infer<typeof Match>

const QueryInput = z.strictObject({
  pattern: z.string().max(500),
  /** `boundsOf` refuses what is larger, by a code of its own. */
  limit: wholeNumber().meta({ maximum: MAX_LIMIT }).optional(),
  offset: wholeNumber().optional(),
  /** Only the caller's own tenant can be queried. */
  tenant_filter: z.uuid().optional(),
  /** Whether only what the observer may use is listed. */
  capability_check: Flag.default(true),
  archetype: z.string().max(64).optional(),
  dry_run: Flag.default(false),
  cost_estimate: Flag.default(false),
})

const QueryResult = z.strictObject({
  pattern: z.string(),
  matches: z.array(Match),
  total_count: z.int(),
  limit: z.int(),
  offset: z.int(),
  has_more: z.boolean(),
  cost_estimate: z.number().optional(),
})

export const queryRoute = route({
  route: 'GET /v1/agentese/query',
  summary: 'What there is: nodes and aspects that fit a pattern, such as ?world.* or ?self.memory.?',
  permission: 'agentese:read',
  scopes: ['path:read'],
  needs: ['postgres', 'catalog'],
  input: QueryInput,
  output: QueryResult,
  examples: [{ summary: 'Every manifest', input: { pattern: '?*.*.manifest' } }],
  async handle(input, call) {
    const query = parseQuery(input.pattern)
    const bounds = boundsOf(input)
    checkTenant(input.tenant_filter, call)
    const { pattern, dry_run, cost_estimate } = input
    const cost = dry_run || cost_estimate ? { cost_estimate: estimateQuery(query) } : {}
    if (dry_run) return { pattern, matches: [], total_count: 0, ...bounds, has_more: false, ...cost }
    const viewer = input.capability_check
      ? await viewerAs(input.archetype ?? call.requestedArchetype, call)
      : undefined
    const { matches, total } = await findMatches(query, bounds, viewer, call)
    const has_more = bounds.offset + matches.length < total
    return { pattern, matches, total_count: total, ...bounds, has_more, ...cost }
  },
})

function checkTenant(tenant: string | undefined, { identity }: Pick<Call, 'identity'>): void {
  if (tenant === undefined || tenant === identity.tenant) return
  throw new Failure('TENANT_MISMATCH', 'Cannot query that tenant: your credential belongs to another', {
    suggestion: 'Leave tenant_filter out: it is your own tenant in any case',
  })
}

async function viewerAs(
  archetype: string | undefined,
  { identity, db, catalog }: Pick<Call, 'db' | 'identity' | 'catalog'>,
): Promise<Viewer> {
  const observer = observerFor(identity.user, identity.roles, archetype)
  const capabilities = await capabilitiesOf(db, identity, async () => aspectsOf(await catalog()))
  return { ...observer, capabilities }
}

/** Names of holons that one node serves, with the verbs that match, all of them the same for each name. */
interface Group {
  names: string[]
  total: number
  verbs: string[]
}

/**
 * One page of matches, sorted by path, and how many there are. Of a tenant's own holons, of which there may be many,
 * only as many are read as the page can need.
 */
async function findMatches(
  query: Query,
  bounds: Bounds,
  viewer: Viewer | undefined,
  call: Pick<Call, 'db' | 'catalog'>,
) {
  const needed = bounds.offset + bounds.limit
  const groups: (Group & { context: string })[] = []
  for (const definition of await call.catalog()) {
    const { node } = definition
    if (node === undefined) continue
    const [context = '', holon = ''] = node.split('.')
    if (query.context !== '*' && query.context !== context) continue
    const verbs = verbsOf(definition, query, viewer)
    if (verbs.length === 0) continue
    const named = holon === '*' ? await ownHolons(definition, query, needed, call.db) : fixed(query, node)
    groups.push({ context, verbs, ...named })
  }
  const matches = groups.flatMap((group) => matchesOf(query, group))
  matches.sort((a, b) => (a.path < b.path ? -1 : 1))
  const total = groups.reduce((sum, { total: names, verbs }) => sum + names * perName(query, verbs), 0)
  return { matches: matches.slice(bounds.offset, needed), total }
}

function perName({ aspect }: Query, verbs: readonly string[]): number {
  return aspect === undefined ? 1 : verbs.length
}

/** The verbs of a node that the observer has and, where the query names verbs, that it names. */
function verbsOf(definition: FunctionFacts, query: Query, viewer: Viewer | undefined): string[] {
  return aspectsOf([definition])
    .filter((aspect) => viewer === undefined || hasAffordance(viewer, aspect))
    .map(({ verb }) => verb)
    .filter(
      (verb) =>
        query.aspect === undefined || matchesQuery({ ...query, context: '*', holon: '*' }, `any.any.${verb}`),
    )
    .sort()
}

function fixed(query: Query, node: string): Pick<Group, 'names' | 'total'> {
  const { aspect: _aspect, ...nodes } = query
  const names = matchesQuery(nodes, node) ? [node] : []
  return { names, total: names.length }
}

async function ownHolons(
  { node = '', holons }: FunctionFacts,
  query: Query,
  limit: number,
  db: Db,
): Promise<Pick<Group, 'names' | 'total'>> {
  if (holons === undefined) return { names: [], total: 0 }
  const { names, total } = await holons(db, { like: toLike(query.holon), limit, offset: 0 })
  return { names: names.map((name) => node.replace('*', () => name)), total }
}

function matchesOf({ aspect }: Query, { context, names, verbs }: Group & { context: string }): Match[] {
  if (aspect === undefined) {
    return names.map((path) => ({ path, node_type: 'holon', context, affordances: verbs }))
  }
  return names.flatMap((name) =>
    verbs.map((verb) => ({
      path: `${name}.${verb}`,
      node_type: 'aspect' as const,
      context,
      affordances: [verb],
    })),
  )
}
