/**
 * Which events and marks an observer may receive: those on paths whose verb it has. A change of state is delivered to everybody who
 * may read the holon, and that is everybody: `manifest` is a base verb.
 */
import { aspectsOf, findNode } from './find-aspect.ts'
import type { AspectFacts, FunctionFacts } from './facts.ts'
import type { Db } from '../database/database.ts'
import { STATE } from '../events/subscription.ts'
import type { Identity } from '../identity/identity.ts'
import { hasAffordance } from '../agentese/affordances.ts'
import { matchesPattern, type Pattern } from '../agentese/pattern.ts'

const PERSONAL = 'self.'

/** What is read from the catalog. */
export interface VisibleFunction extends Pick<FunctionFacts, 'node'> {
  endpoints: readonly { aspect?: AspectFacts }[]
}

export interface Visibility {
  /** Whether an observer of `archetype` may receive events on `path`. */
  sees(archetype: string, path: string): boolean
  /** Paths of the catalog that fit `pattern`, changes of state among them. */
  known(pattern: Pattern): string[]
  /** Whether `pattern` can also fit paths that are a tenant's own. */
  reachesOwn(pattern: Pattern): boolean
}

export function createVisibility(catalog: readonly VisibleFunction[]): Visibility {
  const nodes = catalog.flatMap(({ node }) => node ?? [])
  const open = nodes.filter((node) => node.endsWith('.*')).map((node) => node.slice(0, -2))
  const paths = [
    ...aspectsOf(catalog).map(({ path }) => path),
    ...nodes.map((node) => `${node}.${STATE}`),
  ].filter((path) => !path.includes('*'))

  return {
    sees(archetype, path) {
      const [context = '', holon = '', verb = ''] = path.split('.')
      const { node, endpoints } = findNode(catalog, context, holon) ?? { endpoints: [] }
      if (node === undefined) return false
      if (verb === STATE) return true
      const found = endpoints.find(({ aspect }) => aspect?.verb === verb)?.aspect
      return found !== undefined && hasAffordance({ archetype, capabilities: [] }, found)
    },
    known: (pattern) => [...new Set(paths)].sort().filter((path) => matchesPattern(pattern, path)),
    reachesOwn: ({ shapes }) => shapes.some(([context]) => context === '*' || open.includes(context)),
  }
}

/** Whether `user` may receive an event on `path`: what a person does on `self` is delivered to that person alone. */
export function mayReceive(user: string, path: string, data: unknown): boolean {
  return !path.startsWith(PERSONAL) || (data as { user?: unknown } | null)?.user === user
}

/** SQL: marks that the caller may read. Of what others do on `self`, only who administers the tenant keeps the record. */
export function readableMarks(db: Db, { user, permissions }: Pick<Identity, 'user' | 'permissions'>) {
  return permissions.includes('tenant:admin')
    ? db`true`
    : db`(user_id = ${user} or not starts_with(path, ${PERSONAL}))`
}
