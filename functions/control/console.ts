/**
 * The console: a page from which a tenant and an operator run everything. It holds no data and no secret, so anybody may
 * load it; what it shows comes from the operations of the API, with the credential of the person who uses it.
 */
import { z } from 'zod'
import { NoInput } from '../../shared/contract/define-node.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { Failure } from '../../shared/failures.ts'

const YEAR_SECONDS = 31_536_000

/** The files, their version and the document, made when the first request comes and the same for all after it. */
let page: Promise<{ files: Record<string, string>; version: string; document: string }> | undefined

const FileName = z.strictObject({
  version: z.string().max(64),
  folder: z.string().max(64),
  name: z.string().max(64),
})

/** What is at an address never changes: its version is made of the contents. */
const FILE = { auth: 'none', maxAgeSeconds: YEAR_SECONDS, output: z.string() } as const

export const consolePage = defineOperation({
  name: 'console',
  summary: 'The page from which a tenant and an operator run everything',
  routes: {
    page: route({
      route: 'GET /console',
      summary: 'The console, in a browser',
      auth: 'none',
      maxAgeSeconds: 0,
      input: NoInput,
      output: z.string(),
      format: 'html',
      handle: async () => (await openPage()).document,
    }),

    module: route({
      ...FILE,
      route: 'GET /console/:version/:folder/:name',
      summary: 'A module of the console',
      input: FileName,
      format: 'javascript',
      handle: ({ version, folder, name }) => readFile(version, `${folder}/${name}`, folder !== 'styles'),
    }),

    style: route({
      ...FILE,
      route: 'GET /console/:version/styles/:name',
      summary: 'A style sheet of the console',
      input: FileName.omit({ folder: true }),
      format: 'css',
      handle: ({ version, name }) => readFile(version, `styles/${name}`, true),
    }),
  },
})

async function readFile(version: string, path: string, isOfItsKind: boolean): Promise<string> {
  const { files, version: current } = await openPage()
  const text = isOfItsKind && Object.hasOwn(files, path) ? files[path] : undefined
  if (text !== undefined && version === current) return text
  throw new Failure('NOT_FOUND', `Cannot read "${path}" of the console "${version}": no such file`, {
    suggestion: 'Load /console again: it names the files that it has now',
  })
}

function openPage() {
  return (page ??= loadPage())
}

async function loadPage() {
  const [{ readPageFiles }, { renderDocument, versionOf }] = await Promise.all([
    import('../console/files.ts'),
    import('../console/document.ts'),
  ])
  const files = readPageFiles()
  const version = versionOf(files)
  return { files, version, document: renderDocument(files, version) }
}
