/** Files that others read while they change, or that must not be half written: each appears whole, or not at all. */
import { renameSync, writeFileSync } from 'node:fs'

/** Writes a second file and then renames it; only its owner can read it. */
export function replaceFile(file: string, text: string): void {
  const unfinished = `${file}.${process.pid}`
  writeFileSync(unfinished, text, { mode: 0o600, flush: true })
  renameSync(unfinished, file)
}
