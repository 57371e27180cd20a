/** Finds what serves a path: the node of that very name, else the one that serves the context's open holons. */
import { isAspect, type AspectFacts, type EndpointFacts, type FunctionFacts } from './facts.ts'

/** An aspect and the function that serves it: with handlers, where these are of this process. */
export interface FoundAspect<F extends FunctionFacts = FunctionFacts> {
  definition: F
  endpoint: F['endpoints'][number] & { aspect: AspectFacts }
}

/**
 * The aspect of `path` (`context.holon.aspect`) among `functions`; undefined where there is none. A holon that has a
 * node of its own is never an open one.
 */
export function findAspect<F extends FunctionFacts>(
  functions: readonly F[],
  path: string,
): FoundAspect<F> | undefined {
  const [context = '', holon = '', verb = ''] = path.split('.')
  const definition = findNode(functions, context, holon)
  const endpoint: F['endpoints'][number] | undefined = definition?.endpoints.find(
    (each) => isAspect(each) && each.aspect.verb === verb,
  )
  return definition === undefined || endpoint?.aspect === undefined
    ? undefined
    : { definition, endpoint: { ...endpoint, aspect: endpoint.aspect } }
}

/** Every aspect of `functions`. */
export function aspectsOf(
  functions: readonly { endpoints: readonly Pick<EndpointFacts, 'aspect' | 'route'>[] }[],
): AspectFacts[] {
  return functions.flatMap(({ endpoints }) => endpoints.filter(isAspect).map(({ aspect }) => aspect))
}

/** The node that serves `context.holon`, whatever its verbs. */
export function findNode<F extends Pick<FunctionFacts, 'node'>>(
  functions: readonly F[],
  context: string,
  holon: string,
): F | undefined {
  return (
    functions.find(({ node }) => node === `${context}.${holon}`) ??
    functions.find(({ node }) => node === `${context}.*`)
  )
}
