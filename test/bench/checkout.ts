/** Another checkout of this repository, to be measured beside this one; files may be elsewhere there, but not these. */
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Bundles all functions into a folder; answers what to start them with. */
type Bundle = (folder: string) => Promise<string | string[]>

/** @param root ours by default */
export async function bundlerOf(root = ROOT): Promise<Bundle> {
  const { bundleFunctions } = (await import(pathToFileURL(join(root, 'knative/bundle.ts')).href)) as {
    bundleFunctions: Bundle
  }
  return bundleFunctions
}

/** The path of a file in `test/bench/servers/` of that checkout. */
export function serverFileOf(root: string, name: string): string {
  return join(root, 'test/bench/servers', name)
}
