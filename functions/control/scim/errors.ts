/** Failures that SCIM has a kind of its own for (RFC 7644, 3.12). */
import { Failure } from '../../../shared/failures.ts'

export function invalid(scimType: string, why: string): Failure {
  return new Failure('TYPE_MISMATCH', `Cannot read the request: ${why}`, { scimType })
}

export function notFound(kind: 'User' | 'Group', id: string): Failure {
  return new Failure('NOT_FOUND', `Cannot find ${kind} "${id}"`)
}

export function taken(what: string): Failure {
  return new Failure('STATE_CONFLICT', `Cannot take ${what}: another one has it`, { scimType: 'uniqueness' })
}
