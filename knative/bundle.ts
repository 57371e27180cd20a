/**
 * Puts all functions into few JavaScript files, and these into a start-up snapshot: `node knative/bundle.ts FOLDER`. What only
 * some functions need stays in files of its own, loaded when it is used.
 */
import { cpSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'rolldown'
import { readPageFiles } from '../functions/console/files.ts'
import { buildSnapshot } from './bundle/snapshot.ts'

const ENTRY = fileURLToPath(new URL('../functions/serve.ts', import.meta.url))
const PAGE_FILES = fileURLToPath(new URL('../functions/console/files.ts', import.meta.url))
const WEB = fileURLToPath(new URL('bundle/web-classes.ts', import.meta.url))

/** Files of packages that are read as files: they stay where the bundle finds them by their names. */
const READ_AS_FILES = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((name) => `dejavu-fonts-ttf/ttf/${name}`)

/** Where the bundle finds the classes that load late: see `web-classes.ts`. */
const WEB_CLASSES = Object.fromEntries(
  ['CloseEvent', 'Headers', 'Request', 'Response'].flatMap((name) =>
    [name, `global.${name}`, `globalThis.${name}`].map((from) => [from, `web.${name}`]),
  ),
)

/** The files of the console, read now: a process that starts from the bundle has no others. */
const withPageFiles: Plugin = {
  name: 'page-files',
  load: (id) =>
    id === PAGE_FILES ? `export const readPageFiles = () => (${JSON.stringify(readPageFiles())})` : undefined,
}

/** What this Node is started with to serve functions. */
export interface FunctionProgram {
  args: string[]
  env: Record<string, string>
}

/** Writes the bundle into `folder`, and a snapshot of it. */
export async function bundleFunctions(folder: string): Promise<FunctionProgram> {
  await writeFiles(folder)
  // As in the Dockerfile: in small pages, reading the snapshot takes 4,500 page faults.
  const env = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' }
  return { args: ['--snapshot-blob', await buildSnapshot(folder)], env }
}

async function writeFiles(folder: string): Promise<void> {
  await build({
    input: ENTRY,
    platform: 'node',
    logLevel: 'warn',
    plugins: [withPageFiles],
    transform: { define: WEB_CLASSES, inject: { web: [WEB, 'web'], global: [WEB, 'web'] } },
    output: {
      dir: folder,
      // Node loads it sooner than modules, and builds a snapshot of nothing else.
      format: 'cjs',
      // Names and lines stay, for stack traces.
      minify: { compress: true, mangle: { keepNames: true }, codegen: { removeWhitespace: false } },
      entryFileNames: '[name].cjs',
      chunkFileNames: '[name]-[hash].cjs',
      // What every process loads is one file, and what most functions share is another: each file costs a millisecond.
      codeSplitting: {
        groups: [
          { name: 'core', tags: ['$initial'], test: (id) => id !== ENTRY },
          { name: 'server', test: /@hono\/node-server|shared\/http\/serve/ },
          { name: 'contract', minShareCount: 10 },
        ],
      },
      cleanDir: true,
    },
  })
  const { resolve } = createRequire(import.meta.url)
  for (const name of READ_AS_FILES) cpSync(resolve(name), join(folder, 'node_modules', name))
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2)
  if (folder === undefined) throw new TypeError('Usage: node knative/bundle.ts FOLDER')
  process.stdout.write(`${(await bundleFunctions(folder)).args.join(' ')}\n`)
}
