/**
 * Puts all functions into few JavaScript files, so that a cold start reads a handful and not hundreds:
 * `node knative/bundle.ts FOLDER`. What only some functions need stays in files of its own, loaded when it is used.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

const ENTRIES = ['serve', 'catalog'].map((name) =>
  fileURLToPath(new URL(`../functions/${name}.ts`, import.meta.url)),
)

/**
 * Writes the bundle into `folder`: `serve.mjs`, the program to run, and `catalog.mjs`, which loads every function and ends,
 * to fill a compile cache with.
 *
 * @returns the path of `serve.mjs`
 */
export async function bundleFunctions(folder: string): Promise<string> {
  await build({
    input: ENTRIES,
    platform: 'node',
    logLevel: 'warn',
    output: {
      dir: folder,
      format: 'esm',
      // Node need not guess what kind of module an .mjs is.
      entryFileNames: '[name].mjs',
      chunkFileNames: '[name]-[hash].mjs',
      // What every process loads is one file, and what most functions share is another: each file costs a millisecond.
      codeSplitting: {
        groups: [
          { name: 'core', tags: ['$initial'], test: (id) => !ENTRIES.includes(id) },
          { name: 'contract', minShareCount: 10 },
        ],
      },
      cleanDir: true,
    },
  })
  return join(folder, 'serve.mjs')
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2)
  if (folder === undefined) throw new TypeError('Usage: node knative/bundle.ts FOLDER')
  process.stdout.write(`${await bundleFunctions(folder)}\n`)
}
