/**
 * Which events an observer may be told of: those on paths whose verb it has. A change of state is told to everybody who
 * may look at the holon, and that is everybody: `manifest` is a base verb.
 */
import type { AspectFacts } from '../contract/function.ts'
import { STATE } from '../events/subscription.ts'
import { hasAffordance } from './observer.ts'
import { matchesPattern, type Pattern } from './pattern.ts'

/** What is read from the catalog. */
export interface VisibleFunction {
  node?: string
  endpoints: readonly { aspect?: AspectFacts }[]
}

/** Contexts in which tenants have holons of their own, which no catalog lists. */
const OPEN_CONTEXTS = ['world', 'concept']

export interface Visibility {
  /** Whether an observer of `archetype` may be told of events on `path`. */
  sees(archetype: string, path: string): boolean
  /** Paths of the catalog that fit `pattern`, changes of state among them. */
  known(pattern: Pattern): string[]
  /** Whether `pattern` can also fit paths that are a tenant's own. */
  reachesOwn(pattern: Pattern): boolean
}

export function createVisibility(catalog: readonly VisibleFunction[]): Visibility {
  const rules = new Map(
    catalog.flatMap(({ endpoints }) =>
      endpoints.flatMap(({ aspect }) =>
        aspect === undefined ? [] : [[aspect.path, aspect.archetypes] as const],
      ),
    ),
  )
  const states = new Set(catalog.flatMap(({ node }) => (node === undefined ? [] : [`${node}.${STATE}`])))
  const paths = [...new Set([...rules.keys(), ...states])].sort()

  return {
    sees(archetype, path) {
      const [context = '', , verb = ''] = path.split('.')
      const isOpen = OPEN_CONTEXTS.includes(context)
      const rule = rules.get(path) ?? rules.get(`${context}.*.${verb}`)
      if (rule !== undefined) return hasAffordance(archetype, verb, rule)
      if (verb === STATE) return isOpen || states.has(path)
      return isOpen && hasAffordance(archetype, verb, [])
    },
    known: (pattern) => paths.filter((path) => matchesPattern(pattern, path)),
    reachesOwn: ({ shapes }) =>
      shapes.some(([context]) => context === '*' || OPEN_CONTEXTS.includes(context)),
  }
}
