/** One platform per state folder: two of them would write the same files, and start servers on the same data. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProcess, identifyProcess } from './process-identity.ts'

/**
 * Takes the folder for this process, until it ends or calls what is returned. A platform that was killed leaves its
 * lock behind, which the next one sees and replaces.
 *
 * @throws Error where another process has it
 */
export function lockState(folder: string): () => void {
  const file = join(folder, 'lock')
  const identity = identifyProcess(process.pid) ?? String(process.pid)
  while (!tryTake(file, identity)) {
    const holder = readIfThere(file)
    if (holder === undefined) continue
    const pid = findProcess(holder)
    if (pid !== undefined) {
      throw new Error(`Cannot start: kgents already runs on "${folder}" as process ${pid}`)
    }
    removeStale(file, holder)
  }
  const release = () => {
    if (readIfThere(file) === identity) rmSync(file, { force: true })
  }
  process.once('exit', release)
  return release
}

/** The file appears with its content, so nobody ever reads half a lock. */
function tryTake(file: string, identity: string): boolean {
  const own = `${file}.${process.pid}`
  writeFileSync(own, identity, { mode: 0o600 })
  try {
    linkSync(own, file)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(own, { force: true })
  }
}

/** Moved away before it goes: should another start have replaced it since it was read, that lock is put back. */
function removeStale(file: string, holder: string): void {
  const away = `${file}.${process.pid}.stale`
  try {
    renameSync(file, away)
  } catch {
    return // another start was first
  }
  if (readIfThere(away) !== holder) linkSync(away, file)
  rmSync(away, { force: true })
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
