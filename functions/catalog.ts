/** All functions, loaded: for what is made from them, and for processes that serve none. */
import { loadCatalog } from '../shared/contract/catalog.ts'
import type { FunctionDefinition } from '../shared/contract/function.ts'
import { loaders } from './loaders.ts'

export const catalog: readonly FunctionDefinition[] = await loadCatalog(loaders)
