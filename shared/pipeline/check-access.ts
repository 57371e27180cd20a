/** Whether somebody may make a call: their verbs, permissions and scopes. */
import { hasAffordance, type Viewer } from '../agentese/affordances.ts'
import type { FoundAspect } from '../contract/find-aspect.ts'
import { Failure } from '../failures.ts'
import type { StoredIdentity } from '../identity/identity.ts'
import type { Permission } from '../identity/permissions.ts'
import { missingScopes } from '../identity/scopes.ts'

/**
 * Checks verb, permission and scopes before the call is made, for compositions, schedules and mappings; the pipeline checks
 * them again when it is made.
 *
 * @throws Failure AFFORDANCE_DENIED or SCOPE_MISSING
 */
export function checkAccess(
  path: string,
  { endpoint }: FoundAspect,
  looking: Viewer,
  identity: StoredIdentity,
): void {
  if (!hasAffordance(looking, endpoint.aspect)) {
    throw new Failure('AFFORDANCE_DENIED', `Cannot use ${path} as "${looking.archetype}"`, {
      suggestion: 'Look as another archetype',
      available: endpoint.aspect.archetypes === 'all' ? [] : endpoint.aspect.archetypes,
    })
  }
  requirePermission(path, endpoint.permission, identity)
  requireScopes(path, endpoint.scopes, identity)
}

/**
 * Checks that a call may be written down: to be made later, for an event, or as a stage.
 *
 * @throws Failure TYPE_MISMATCH where its input is a secret
 */
export function checkMayBeKept(path: string, { endpoint }: FoundAspect): void {
  if (endpoint.aspect.secret !== true) return
  throw new Failure(
    'TYPE_MISMATCH',
    `Cannot keep a call of ${path}: its input is a secret, so it is only called directly`,
    { suggestion: `POST ${endpoint.path}` },
  )
}

/** @throws Failure SCOPE_MISSING where `path` takes a permission that the caller has not */
export function requirePermission(
  path: string,
  permission: Permission | undefined,
  { permissions }: StoredIdentity,
): void {
  if (permission === undefined || permissions.includes(permission)) return
  throw new Failure('SCOPE_MISSING', `Cannot call ${path}: permission "${permission}" is missing`, {
    suggestion: 'Ask an admin of your tenant for a role that has it',
    details: { permission },
  })
}

/** @throws Failure SCOPE_MISSING where the caller's credential is narrower than `scopes` */
export function requireScopes(
  path: string,
  scopes: readonly string[],
  held: Pick<StoredIdentity, 'scopes'> | undefined,
): void {
  const missing = missingScopes(scopes, held?.scopes)
  if (missing.length === 0) return
  throw new Failure('SCOPE_MISSING', `Cannot call ${path}: your token lacks scope ${missing.join(', ')}`, {
    suggestion: 'Ask for a token with these scopes',
    details: { scopes: missing },
  })
}
