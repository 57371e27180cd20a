/** Finds what serves a path: the node of that very name, else the one that serves the context's open holons. */
import type { AspectFacts, Endpoint, FunctionDefinition } from './function.ts'

export interface FoundAspect {
  definition: FunctionDefinition
  endpoint: Endpoint & { aspect: AspectFacts }
}

/**
 * The aspect of `path` (`context.holon.aspect`) among `functions`; undefined where there is none. A holon that has a
 * node of its own is never an open one.
 */
export function findAspect(functions: readonly FunctionDefinition[], path: string): FoundAspect | undefined {
  const [context = '', holon = '', verb = ''] = path.split('.')
  const definition = findNode(functions, context, holon)
  const endpoint = definition?.endpoints.find(({ aspect }) => aspect?.verb === verb)
  return definition === undefined || endpoint?.aspect === undefined
    ? undefined
    : { definition, endpoint: { ...endpoint, aspect: endpoint.aspect } }
}

/** The node that serves `context.holon`, whatever its verbs. */
export function findNode<F extends Pick<FunctionDefinition, 'node'>>(
  functions: readonly F[],
  context: string,
  holon: string,
): F | undefined {
  return (
    functions.find(({ node }) => node === `${context}.${holon}`) ??
    functions.find(({ node }) => node === `${context}.*`)
  )
}
