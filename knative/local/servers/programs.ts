/** Server programs from this machine's PATH, which are preferred to anything that would have to be fetched. */
import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** Full path of the first of `names` that is on the PATH. */
export function findOnPath(env: NodeJS.ProcessEnv, ...names: string[]): string | undefined {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

/** The first number like 2.14 in what the program prints about its version. */
export async function readVersion(program: string): Promise<{ major: number; minor: number }> {
  const { stdout } = await promisify(execFile)(program, ['--version'])
  const [, major = '0', minor = '0'] = /(\d+)\.(\d+)/.exec(stdout) ?? []
  return { major: Number(major), minor: Number(minor) }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
