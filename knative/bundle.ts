/**
 * Puts all functions into one JavaScript file, so that a cold start reads one file and not hundreds:
 * `node knative/bundle.ts FOLDER`. What only some functions need stays in files of its own, loaded when it is used.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

const ENTRY = fileURLToPath(new URL('../functions/serve.ts', import.meta.url))

/** Writes the bundle into `folder`; answers the path of the program to run. */
export async function bundleFunctions(folder: string): Promise<string> {
  await build({
    input: { serve: ENTRY },
    platform: 'node',
    logLevel: 'warn',
    output: {
      dir: folder,
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
      cleanDir: true,
    },
  })
  return join(folder, 'serve.js')
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2)
  if (folder === undefined) throw new TypeError('Usage: node knative/bundle.ts FOLDER')
  process.stdout.write(`${await bundleFunctions(folder)}\n`)
}
