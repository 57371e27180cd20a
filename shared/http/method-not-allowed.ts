/** The answer to a method that an address does not have. */
import type { Method } from '../contract/facts.ts'
import { Failure } from '../failures.ts'

export const METHODS: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** @param methods that the address has; what answers GET answers HEAD too */
export function methodNotAllowed(method: string, path: string, methods: readonly Method[]): Failure {
  return new Failure('METHOD_NOT_ALLOWED', `Cannot ${method} ${path}`, {
    suggestion: `Use ${methods.join(' or ')}`,
    available: methods,
    allow: methods.flatMap((each) => (each === 'GET' ? [each, 'HEAD'] : [each])),
  })
}
