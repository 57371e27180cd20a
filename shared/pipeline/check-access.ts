/** Whether a person may use an aspect, asked before the call is made: by compositions, schedules and mappings. */
import { hasAffordance, type Looking } from '../agentese/affordances.ts'
import { scopesOf } from '../agentese/effects.ts'
import type { FoundAspect } from '../contract/find-aspect.ts'
import { Failure } from '../failures.ts'
import type { Identity } from '../identity/identity.ts'
import { missingScopes } from '../identity/scopes.ts'

/**
 * Checks verb, permission and scopes, as the pipeline will again when the call is made.
 *
 * @throws Failure AFFORDANCE_DENIED or SCOPE_MISSING
 */
export function checkAccess(
  path: string,
  { endpoint }: FoundAspect,
  looking: Looking,
  { permissions, scopes }: Identity,
): void {
  const { node, verb, effects } = endpoint.aspect
  if (!hasAffordance(looking, node, verb)) {
    throw new Failure('AFFORDANCE_DENIED', `Cannot use ${path} as "${looking.archetype}"`, {
      suggestion: 'Look as another archetype',
      available: endpoint.aspect.archetypes === 'all' ? [] : endpoint.aspect.archetypes,
    })
  }
  const { permission } = endpoint
  if (permission !== undefined && !permissions.includes(permission)) {
    throw new Failure('SCOPE_MISSING', `Cannot call ${path}: permission "${permission}" is missing`, {
      suggestion: 'Ask an admin of your tenant for a role that has it',
      details: { permission },
    })
  }
  const missing = missingScopes(scopesOf(effects), scopes)
  if (missing.length === 0) return
  throw new Failure('SCOPE_MISSING', `Cannot call ${path}: your token lacks scope ${missing.join(', ')}`, {
    suggestion: 'Ask for a token with these scopes',
    details: { scopes: missing },
  })
}
