/** Another checkout of this repository, to be measured beside this one; files may be elsewhere there, but not these. */
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { FunctionProgram } from '../../knative/bundle.ts'

/** This checkout. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Bundles all functions into a folder. An earlier checkout answers the path of the program alone. */
type Bundle = (folder: string) => Promise<string | FunctionProgram>

/** @param root ours by default */
export async function bundlerOf(root = ROOT): Promise<(folder: string) => Promise<FunctionProgram>> {
  const { bundleFunctions } = (await import(pathToFileURL(join(root, 'knative/bundle.ts')).href)) as {
    bundleFunctions: Bundle
  }
  return async (folder) => {
    const program = await bundleFunctions(folder)
    return typeof program === 'string' ? { args: [program], env: {} } : program
  }
}

/** The path of a file in `test/bench/servers/` of that checkout. */
export function serverFileOf(root: string, name: string): string {
  return join(root, 'test/bench/servers', name)
}
