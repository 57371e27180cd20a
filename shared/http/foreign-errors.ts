/** Failures as other protocols write them: OAuth (RFC 6749, 5.2) and SCIM (RFC 7644, 3.12). */
import type { Category, Failure } from '../failures.ts'

export interface ForeignError {
  status: number
  headers: Record<string, string>
  body: Record<string, unknown>
}

const NO_STORE = { 'cache-control': 'no-store' }

/** What a failure is in OAuth where it does not say so itself. */
const OAUTH: Partial<Record<Category, string>> = {
  INVALID_INPUT: 'invalid_request',
  UNAUTHORIZED: 'invalid_client',
  FORBIDDEN: 'access_denied',
  NOT_FOUND: 'invalid_grant',
  CONFLICT: 'invalid_grant',
  QUOTA_EXCEEDED: 'slow_down',
  UNAVAILABLE: 'temporarily_unavailable',
  TIMEOUT: 'temporarily_unavailable',
}

/** Nearly all of OAuth's errors are 400; what is ours, and what is too much, keeps its status. */
export function oauthError(failure: Failure): ForeignError {
  const { category, facts, message, status } = failure
  const error =
    facts.oauth ?? (isUnknownGrant(facts) ? 'unsupported_grant_type' : OAUTH[category]) ?? 'server_error'
  const isKept = status >= 500 || (status === 429 && facts.oauth === undefined) || error === 'invalid_client'
  return {
    status: isKept ? status : 400,
    headers: { 'content-type': 'application/json', ...NO_STORE },
    // Printable ASCII without quotes and backslashes is all that a description may have.
    body: { error, error_description: message.replaceAll(/["\\]/g, "'").replaceAll(/[^\x20-\x7e]/g, '?') },
  }
}

function isUnknownGrant({ details }: Failure['facts']): boolean {
  const issues = details?.['issues']
  return Array.isArray(issues) && issues.some((issue: { path?: unknown }) => issue.path === 'grant_type')
}

export function scimError({ facts, message, status, code }: Failure): ForeignError {
  const { suggestion, scimType = code === 'TYPE_MISMATCH' ? 'invalidValue' : undefined } = facts
  return {
    status,
    headers: { 'content-type': 'application/scim+json' },
    body: {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
      status: String(status),
      ...(scimType === undefined ? {} : { scimType }),
      detail: suggestion === undefined ? message : `${message}. ${suggestion}`,
    },
  }
}
