/**
 * Who looks. An observer's archetype decides what it sees and which verbs it has; the roles in the credential bound
 * the archetypes a caller may choose, so nobody becomes an admin by saying so.
 */
import { Failure } from '../failures.ts'
import type { Role } from '../identity/permissions.ts'

const VIEWER = [
  'guest',
  'inhabitant',
  'poet',
  'philosopher',
  'newcomer',
  'casual',
  'reflective',
  'reviewer',
] as const
const DEVELOPER = [
  'developer',
  'architect',
  'scientist',
  'economist',
  'engineer',
  'artist',
  'teacher',
  'researcher',
  'creative',
  'strategic',
  'tactical',
  'technical',
] as const
const ADMIN = ['admin', 'operator', 'security', 'system'] as const

export type Archetype = (typeof VIEWER | typeof DEVELOPER | typeof ADMIN)[number]

/** What each role may look as; the first is what it looks as when the caller does not say. */
const ROLE_ARCHETYPES: Record<Role, readonly [Archetype, ...Archetype[]]> = {
  viewer: VIEWER,
  developer: [...DEVELOPER, ...VIEWER],
  admin: [...ADMIN, ...DEVELOPER, ...VIEWER],
  super_admin: [...ADMIN, ...DEVELOPER, ...VIEWER],
}

export interface Observer {
  /** The person behind the credential. */
  user: string
  archetype: Archetype
}

/** Verbs that everybody has on every node that offers them; archetypes only ever add. */
export const BASE_ASPECTS: readonly string[] = ['manifest', 'witness', 'affordances']

/**
 * The observer of a call: what the caller asked to look as, within what its roles allow.
 *
 * @param asked archetype named by the caller; absent is the most capable role's own
 * @throws Failure ARCHETYPE_DENIED when no role of the caller allows it
 */
export function observerFor(user: string, roles: readonly Role[], asked?: string): Observer {
  const allowed = archetypesOf(roles)
  const archetype = allowed.find((name) => name === (asked ?? allowed[0]))
  if (archetype === undefined) {
    throw new Failure('ARCHETYPE_DENIED', `Cannot observe as "${asked}": your roles do not allow it`, {
      suggestion: 'Name one of the available archetypes, or none',
      available: allowed,
    })
  }
  return { user, archetype }
}

function archetypesOf(roles: readonly Role[]): readonly Archetype[] {
  const order: readonly Role[] = ['super_admin', 'admin', 'developer', 'viewer']
  const best = order.find((role) => roles.includes(role))
  return best === undefined ? ['guest'] : ROLE_ARCHETYPES[best]
}

/** Whether an observer has a verb: base verbs always, others when the aspect is open or names the archetype. */
export function hasAffordance(
  archetype: string,
  aspect: string,
  archetypes: 'all' | readonly string[],
): boolean {
  return archetypes === 'all' || BASE_ASPECTS.includes(aspect) || archetypes.includes(archetype)
}
