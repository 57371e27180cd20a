/**
 * Who has which verb. Each aspect names the archetypes that have it, and nothing is open by default; base verbs belong to
 * everybody on every node. Permissions are checked besides: a verb that one has may still take a permission that one lacks.
 */

/** Verbs that everybody has on every node. */
export const BASE_ASPECTS: readonly string[] = ['manifest', 'witness', 'affordances', 'help', 'alternatives']

/** A verb of a node, and the archetypes that have it; `all` is everybody. An aspect is one. */
export interface Verb {
  /** `context.holon`, or `world.*`. */
  node: string
  verb: string
  archetypes: 'all' | readonly string[]
}

/** The observer, as far as it decides which verbs it has. */
export interface Viewer {
  archetype: string
  /** Verbs that the observer has besides those of its archetype: `define`, or `world.*.define` on one node only. */
  capabilities: readonly string[]
}

/** Whether an observer has a verb: by its archetype, or by a capability that names the verb. */
export function hasAffordance(
  { archetype, capabilities }: Viewer,
  { node, verb, archetypes }: Verb,
): boolean {
  return (
    archetypes === 'all' ||
    archetypes.includes(archetype) ||
    capabilities.includes(verb) ||
    capabilities.includes(`${node}.${verb}`)
  )
}

/** The capabilities for `verbs` that a person of `archetypes` may acquire: what one of these has, and not everybody. */
export function capabilitiesWithin(archetypes: readonly string[], verbs: readonly Verb[]): string[] {
  return verbs
    .filter(({ archetypes: having }) => having !== 'all' && having.some((each) => archetypes.includes(each)))
    .map(({ node, verb }) => `${node}.${verb}`)
    .sort()
}
