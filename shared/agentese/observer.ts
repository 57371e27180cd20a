/**
 * The observer of a call. An observer's archetype decides what it sees and which verbs it has; the roles in the credential bound
 * the archetypes a caller may choose, so nobody becomes an admin by claiming so.
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

/** The archetypes that each role may observe as; the first is its default. */
const ROLE_ARCHETYPES: Record<Role, readonly [Archetype, ...Archetype[]]> = {
  viewer: VIEWER,
  developer: [...DEVELOPER, ...VIEWER],
  admin: [...ADMIN, ...DEVELOPER, ...VIEWER],
  super_admin: [...ADMIN, ...DEVELOPER, ...VIEWER],
}

/** Whether only admins may observe as `archetype`. */
export function isAdministrative(archetype: string): boolean {
  return (ADMIN as readonly string[]).includes(archetype)
}

export interface Observer {
  /** The person behind the credential. */
  user: string
  archetype: Archetype
  /** Verbs taken on besides those of the archetype; looked up only where the archetype does not suffice. */
  capabilities: readonly string[]
}

/** Who calls without a credential, where a path lets them. */
export const GUEST: Observer = {
  user: '00000000-0000-0000-0000-000000000000',
  archetype: 'guest',
  capabilities: [],
}

/**
 * The observer of a call: the archetype that the caller requested, within what its roles allow.
 *
 * @param requested archetype named by the caller; default is the most capable role's own
 * @throws Failure ARCHETYPE_DENIED when no role of the caller allows it
 */
export function observerFor(user: string, roles: readonly Role[], requested?: string): Observer {
  const allowed = archetypesFor(roles)
  const archetype = allowed.find((name) => name === (requested ?? allowed[0]))
  if (archetype === undefined) {
    throw new Failure('ARCHETYPE_DENIED', `Cannot observe as "${requested}": your roles do not allow it`, {
      suggestion: 'Use one of the available archetypes, or none',
      available: allowed,
    })
  }
  return { user, archetype, capabilities: [] }
}

/** Every archetype that `roles` allow; the first is the default. */
export function archetypesFor(roles: readonly Role[]): readonly Archetype[] {
  const order: readonly Role[] = ['super_admin', 'admin', 'developer', 'viewer']
  const best = order.find((role) => roles.includes(role))
  return best === undefined ? ['guest'] : ROLE_ARCHETYPES[best]
}
