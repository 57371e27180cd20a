/**
 * The one table of who has which verb. Base verbs belong to everybody on every node; a verb that no row here names is
 * everybody's too; an archetype only ever adds to what everybody has. Permissions are checked besides: a verb that one
 * has may still take a permission that one lacks.
 */
import type { Archetype } from './observer.ts'

/** Verbs that everybody has on every node. */
export const BASE_ASPECTS: readonly string[] = ['manifest', 'witness', 'affordances', 'help', 'alternatives']

const BUILDERS = ['developer', 'architect', 'admin', 'system', 'technical'] as const
const KEEPERS = ['developer', 'operator', 'admin', 'system'] as const
const SCHOLARS = ['architect', 'artist', 'poet', 'researcher', 'technical'] as const
const THINKERS = ['creative', 'strategic', 'tactical', 'reflective'] as const
const VISITORS = ['newcomer', 'casual', 'reviewer', 'security'] as const

/** Who may talk with K-gent. */
const TALKERS = [
  ...BUILDERS,
  'operator',
  ...VISITORS,
  'reflective',
  'creative',
  'strategic',
  'tactical',
] as const

type Row = Record<string, readonly Archetype[]>

/** By node, then by verb. `world.*` and `concept.*` are a tenant's own holons. */
const TABLE: Record<string, Row> = {
  'world.*': {
    define: ['architect', 'developer', 'admin'],
    transform: ['inhabitant', 'architect', 'developer'],
    relate: ['architect', 'developer', 'philosopher'],
    measure: ['architect', 'scientist', 'developer'],
    analyze: ['scientist', 'philosopher', 'developer', 'economist'],
    demolish: ['architect'],
  },
  'world.agent': {
    define: ['architect', 'developer', 'admin'],
    search: ['developer', 'admin', 'architect'],
  },
  'world.tool': {
    define: ['architect', 'developer', 'admin'],
    remove: ['architect', 'developer', 'admin'],
    invoke: [...BUILDERS, 'operator', 'engineer', 'scientist'],
  },
  'world.purgatory': {
    resolve: ['admin', 'developer', 'architect'],
    cancel: ['admin', 'developer', 'architect'],
    void_expired: ['admin', 'developer', 'architect'],
  },
  'concept.*': {
    refine: ['philosopher', 'scientist', 'developer'],
    validate: ['scientist', 'engineer', 'developer'],
  },
  'self.memory': {
    engram: [...KEEPERS, ...SCHOLARS, ...THINKERS, ...VISITORS],
    reinforce: [...KEEPERS, ...SCHOLARS, ...THINKERS, ...VISITORS],
    cherish: [...KEEPERS, ...SCHOLARS],
    bytag: [...KEEPERS, ...SCHOLARS, ...THINKERS],
    index: [...KEEPERS, ...SCHOLARS, ...THINKERS, ...VISITORS],
    forget: KEEPERS,
    restore: KEEPERS,
    checkpoint: KEEPERS,
    consolidate: KEEPERS,
  },
  'self.kgent': { create: TALKERS, message: TALKERS },
  'self.soul': {
    eigenvectors: BUILDERS,
    mode: [...BUILDERS, 'operator'],
    governance: [...BUILDERS, 'operator'],
    audit: ['admin', 'operator', 'security', 'system'],
    challenge: [...BUILDERS, 'operator', 'reviewer', 'security', 'creative', 'strategic', 'tactical'],
    reflect: [...BUILDERS, 'operator', 'creative', 'strategic', 'tactical'],
    dialogue: TALKERS,
  },
}

/** Archetypes that have `verb` on `node` (`context.holon`, or `world.*`); `all` is everybody. */
export function archetypesOf(node: string, verb: string): 'all' | readonly Archetype[] {
  return BASE_ASPECTS.includes(verb) ? 'all' : (TABLE[node]?.[verb] ?? 'all')
}

/** Who looks, as far as it decides what it may use. */
export interface Looking {
  archetype: string
  /** Verbs that the observer has besides those of its archetype: `define`, or `world.*.define` on one node only. */
  capabilities: readonly string[]
}

/** Whether an observer has a verb: by the table, or by a capability that names the verb. */
export function hasAffordance({ archetype, capabilities }: Looking, node: string, verb: string): boolean {
  const archetypes = archetypesOf(node, verb)
  return (
    archetypes === 'all' ||
    (archetypes as readonly string[]).includes(archetype) ||
    capabilities.includes(verb) ||
    capabilities.includes(`${node}.${verb}`)
  )
}

/** The verbs that a capability could give to one of `archetypes`: what a person may take on without becoming more. */
export function capabilitiesWithin(archetypes: readonly string[]): string[] {
  const names = Object.entries(TABLE).flatMap(([node, row]) =>
    Object.entries(row).flatMap(([verb, having]) =>
      having.some((each) => archetypes.includes(each)) ? [`${node}.${verb}`] : [],
    ),
  )
  return names.sort()
}
