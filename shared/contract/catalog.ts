/** The functions there are, by name, each loaded when it is wanted. */
import type { FunctionDefinition } from './function.ts'

/** By the name of the function, which is that of its file too. */
export type Loaders = Readonly<Record<string, () => Promise<FunctionDefinition>>>

/** All of them, in their order. */
export function loadCatalog(loaders: Loaders): Promise<FunctionDefinition[]> {
  return Promise.all(Object.values(loaders).map((load) => load()))
}

/** Loaders of what is loaded already. */
export function loadersOf(functions: readonly FunctionDefinition[]): Loaders {
  return Object.fromEntries(functions.map((definition) => [definition.name, async () => definition]))
}
