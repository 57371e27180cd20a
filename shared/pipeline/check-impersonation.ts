/**
 * What an operator of the platform may do in a tenant: look, unless the impersonation is one that may write. Whatever it is, it
 * makes no credentials and nothing that outlives it, takes no copy of all data along, and has no operator's permission.
 */
import type { Endpoint } from '../contract/function.ts'
import { Failure } from '../failures.ts'
import type { Invocation } from './invocation.ts'

/** What lets people or programs in, or sends data out later; it may be read. */
const LASTING = new Set([
  'api_key',
  'domain',
  'event_mapping',
  'identity_provider',
  'invitation',
  'member',
  'recovery_code',
  'scim_token',
  'session',
  'subscription',
])
const NEVER = new Set(['export:read', 'export:write', 'tenant:delete'])

/** @throws Failure AFFORDANCE_DENIED */
export async function checkImpersonation({
  request: { endpoint, path },
  identity,
}: Invocation): Promise<void> {
  const impersonation = identity?.impersonation
  if (impersonation === undefined) return
  const why = whyNot(endpoint, impersonation.mayWrite)
  if (why === undefined) return
  throw new Failure('AFFORDANCE_DENIED', `Cannot call ${path ?? endpoint.name} while impersonating: ${why}`, {
    suggestion: 'Ask an admin of the tenant to do it',
    details: { impersonation: impersonation.id },
  })
}

function whyNot(endpoint: Endpoint, mayWrite: boolean): string | undefined {
  const { needs, reveal, scopes, streams, writes } = endpoint
  if (reveal !== undefined || scopes.some(isWithheld))
    return 'what it makes, or shows, is for the tenant alone'
  if (streams) return 'a stream would outlive the impersonation'
  if (mayWrite) return undefined
  if (writes || needs.includes('inference') || needs.includes('jobs')) return 'it is read-only'
  return undefined
}

function isWithheld(scope: string): boolean {
  const [resource = '', action] = scope.split(':')
  return NEVER.has(scope) || (LASTING.has(resource) && action !== 'read')
}
