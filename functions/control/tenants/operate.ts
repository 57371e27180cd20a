/** Acts of operators: what the database refuses is a permission that is missing, as everywhere. */
import { Failure } from '../../../shared/failures.ts'

const INSUFFICIENT_PRIVILEGE = '42501'

/**
 * Runs a statement that only operators may run, which the database checks itself.
 *
 * @throws Failure SCOPE_MISSING where the caller is an operator no longer
 */
export async function operate<T>(statement: PromiseLike<T>): Promise<T> {
  try {
    return await statement
  } catch (error) {
    if ((error as { code?: unknown }).code !== INSUFFICIENT_PRIVILEGE) throw error
    throw new Failure(
      'SCOPE_MISSING',
      'Cannot act across tenants: permission "platform:operate" is missing',
      {
        suggestion: 'Ask an operator of this platform',
        details: { permission: 'platform:operate' },
        cause: error,
      },
    )
  }
}
