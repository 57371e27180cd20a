/**
 * The platform as documents: for programs (OpenAPI, AsyncAPI) and for people. All is made from the catalog, when somebody
 * first requests it; what makes it is loaded then, and no other function's start waits for it.
 */
import { z } from 'zod'
import { NoInput } from '../../shared/contract/define-node.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import type { FunctionFacts } from '../../shared/contract/facts.ts'

type Catalog = readonly FunctionFacts[]

const MINUTE_SECONDS = 60

const Document = z.record(z.string(), z.unknown())

const openApi = once(async (catalog) => {
  const { createOpenApi } = await import('./reference/open-api.ts')
  return createOpenApi(catalog)
})

const asyncApi = once(async (catalog) => {
  const { createAsyncApi } = await import('./reference/async-api.ts')
  return createAsyncApi(catalog)
})

const page = once(async (catalog) => {
  const { renderPage } = await import('./reference/page.ts')
  return renderPage(catalog)
})

/** What every document has in common. */
const PUBLIC = {
  auth: 'none',
  needs: ['catalog'],
  input: NoInput,
  maxAgeSeconds: 5 * MINUTE_SECONDS,
} as const

export const reference = defineOperation({
  name: 'reference',
  summary: 'Describes the platform, for programs and for people',
  routes: {
    openApi: route({
      ...PUBLIC,
      route: 'GET /openapi.json',
      summary: 'All routes, as OpenAPI 3.1',
      output: Document,
      handle: async (_input, { catalog }) => openApi(await catalog()),
    }),

    asyncApi: route({
      ...PUBLIC,
      route: 'GET /asyncapi.json',
      summary: 'All events and streams, as AsyncAPI 3.0',
      output: Document,
      handle: async (_input, { catalog }) => asyncApi(await catalog()),
    }),

    docs: route({
      ...PUBLIC,
      route: 'GET /docs',
      summary: 'The reference, to read and search in a browser',
      output: z.string(),
      format: 'html',
      handle: async (_input, { catalog }) => page(await catalog()),
    }),
  },
})

/** Makes the document of a catalog once, however many request it. */
function once<T>(make: (catalog: Catalog) => Promise<T>): (catalog: Catalog) => Promise<T> {
  const made = new WeakMap<Catalog, Promise<T>>()
  return (catalog) => {
    let document = made.get(catalog)
    if (document === undefined) {
      document = make(catalog)
      made.set(catalog, document)
    }
    return document
  }
}
