/** From what a caller writes to what serves it. */
import { expandAlias, type Aliases } from '../../../shared/agentese/alias.ts'
import { isContext, parsePath, similarPaths } from '../../../shared/agentese/path.ts'
import type { Call, Given } from '../../../shared/contract/call.ts'
import { aspectsOf, type FoundAspect } from '../../../shared/contract/find-aspect.ts'
import type { FunctionFacts } from '../../../shared/contract/facts.ts'
import { Failure } from '../../../shared/failures.ts'
import { aliasesOf } from './aliases.ts'

/**
 * What serves `path`.
 *
 * @throws Failure NODE_NOT_REGISTERED with similar paths
 */
export async function findPath(
  path: string,
  { findAspect, catalog }: Pick<Call, 'findAspect' | 'catalog'>,
): Promise<FoundAspect> {
  const found = await findAspect(path)
  if (found !== undefined) return found
  throw new Failure('NODE_NOT_REGISTERED', `Cannot find "${path}": no node serves it`, {
    suggestion: 'GET /v1/agentese/discover lists every path',
    available: similarPaths(path, knownPaths(await catalog(), path)),
  })
}

/** All paths, those of open holons under the holon that `path` names. */
function knownPaths(catalog: readonly FunctionFacts[], path: string): string[] {
  const { holon } = parsePath(path)
  return aspectsOf(catalog).map((aspect) => aspect.path.replace('*', holon))
}

/**
 * The expansion of aliases for this caller. The caller's own are looked up only where `text` starts with something
 * else than a context.
 */
export async function expanderFor(
  text: string,
  call: Given<'postgres', 'caller'>,
): Promise<(text: string) => string> {
  const starts = text.split('>>').map((part) => part.trim().split('.', 1)[0] ?? '')
  const own: Aliases = starts.every((start) => isContext(start) || start === 'Id')
    ? {}
    : await call.transact('read', ({ db, identity }) => aliasesOf(db, identity.user))
  return (part) => expandAlias(part, own)
}
