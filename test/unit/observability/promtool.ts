/**
 * promtool, which tests alert rules: from the PATH, or out of Debian's package `prometheus`, which is fetched once into the
 * cache folder and not installed.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findOnPath } from '../../../knative/local/servers/programs.ts'
import { cacheFolder } from '../../../knative/local/servers/wheels.ts'

const run = promisify(execFile)

export interface Promtool {
  /** Why it cannot be run here, for the test to skip with; absent where it can. */
  missing?: string
  /** Runs it on files with these texts, by name; a failure has what it printed as the message. */
  run(files: Readonly<Record<string, string>>, ...args: string[]): Promise<string>
}

/** Never throws: a machine without it says so in `missing`. */
export async function findPromtool(): Promise<Promtool> {
  try {
    const program = findOnPath(process.env, 'promtool') ?? (await fetchFromDebian())
    return { run: (files, ...args) => runOn(program, files, args) }
  } catch (error) {
    const missing = `promtool is not on the PATH, and Debian's package cannot be fetched: ${String(error)}`
    return { missing, run: () => Promise.reject(new Error(missing)) }
  }
}

async function fetchFromDebian(): Promise<string> {
  const folder = join(cacheFolder(process.env), 'promtool-debian')
  const program = join(folder, 'promtool')
  if (existsSync(program)) return program
  await mkdir(folder, { recursive: true })
  const work = await mkdtemp(join(folder, 'fetch-'))
  try {
    await run('apt-get', ['download', '-q', 'prometheus'], { cwd: work })
    const archive = (await readdir(work)).find((file) => file.endsWith('.deb'))
    await run('dpkg-deb', ['-x', archive ?? '', 'unpacked'], { cwd: work })
    await rename(join(work, 'unpacked/usr/bin/promtool'), program)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return program
}

async function runOn(
  program: string,
  files: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'promtool-'))
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
    const { stdout } = await run(program, args, { cwd: folder, maxBuffer: 64 * 1024 * 1024 }).catch(
      (error: { stdout?: string; stderr?: string }) => {
        throw new Error(`${error.stdout ?? ''}${error.stderr ?? ''}`)
      },
    )
    return stdout
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
