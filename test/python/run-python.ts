/**
 * Clients that exist in Python only: the pinned packages of `requirements.txt`, fetched once into the cache folder, and
 * programs of this folder that use them.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cacheFolder } from '../../knative/local/servers/wheels.ts'

const run = promisify(execFile)
const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url))
const PIP_FLAGS = [
  '--quiet',
  '--disable-pip-version-check',
  '--no-cache-dir',
  '--no-deps',
  '--require-hashes',
]

export interface Python {
  /** Why no program can be run here, for the test to skip with; absent where they can. */
  missing?: string
  /** What the named program of this folder prints, given these arguments; a failure has its stderr as the message. */
  run(program: string, ...args: string[]): Promise<string>
}

/** Fetches the packages unless they are there. Never throws: a machine without Python says so in `missing`. */
export async function preparePython(): Promise<Python> {
  try {
    const packages = await installPackages()
    return { run: (program, ...args) => runProgram(packages, program, args) }
  } catch (error) {
    const missing = `Python clients cannot be run here: ${error instanceof Error ? error.message : String(error)}`
    return { missing, run: () => Promise.reject(new Error(missing)) }
  }
}

/** The folder with the packages, named after what is pinned: it appears complete or not at all. */
async function installPackages(): Promise<string> {
  const pinned = createHash('sha256')
    .update(await readFile(REQUIREMENTS))
    .digest('hex')
    .slice(0, 12)
  const cache = cacheFolder(process.env)
  const packages = join(cache, `python-clients-${pinned}`)
  if (existsSync(packages)) return packages
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, 'python-clients-'))
  try {
    await run('python3', ['-m', 'pip', 'install', ...PIP_FLAGS, '--target', work, '-r', REQUIREMENTS])
    await rename(work, packages).catch((error: unknown) => {
      if (!existsSync(packages)) throw error // else another worker was first
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return packages
}

async function runProgram(packages: string, program: string, args: string[]): Promise<string> {
  const file = fileURLToPath(new URL(program, import.meta.url))
  const env = { ...process.env, PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: '1' }
  const { stdout } = await run('python3', [file, ...args], { env })
  return stdout
}
