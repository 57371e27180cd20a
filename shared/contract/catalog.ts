/** The functions there are, by name, each loaded when it is wanted. */
import { nameOfNode } from './facts.ts'
import { findAspect, type FoundAspect } from './find-aspect.ts'
import type { FunctionDefinition } from './function.ts'

/** By the name of the function, which is that of its file too. */
export type Loaders = Readonly<Record<string, () => Promise<FunctionDefinition>>>

/** All of them, in their order. */
export function loadCatalog(loaders: Loaders): Promise<FunctionDefinition[]> {
  return Promise.all(Object.values(loaders).map((load) => load()))
}

/** Those whose nodes are in `context`, in their order; no other is loaded. */
export function loadContext(loaders: Loaders, context: string): Promise<FunctionDefinition[]> {
  const names = Object.keys(loaders).filter((name) => name === context || name.startsWith(`${context}-`))
  return Promise.all(names.flatMap((name) => loaders[name]?.() ?? []))
}

/** What serves `path`, as `findAspect` finds it among all; no other node is loaded. */
export async function loadAspect(loaders: Loaders, path: string): Promise<FoundAspect | undefined> {
  const [context = '', holon = ''] = path.split('.')
  const names = [`${context}.${holon}`, `${context}.*`].map(nameOfNode)
  const name = names.find((each) => Object.hasOwn(loaders, each)) ?? ''
  const definition = await loaders[name]?.()
  return definition === undefined ? undefined : findAspect([definition], path)
}

/** Loaders of what is loaded already. */
export function loadersOf(functions: readonly FunctionDefinition[]): Loaders {
  return Object.fromEntries(functions.map((definition) => [definition.name, async () => definition]))
}
