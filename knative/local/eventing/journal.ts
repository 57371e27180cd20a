/**
 * What the Broker has accepted and not finished, in a file: what was answered 202 outlives the process.
 *
 * One line when an entry begins, one when it is done. A line has reached the system when the call returns (some
 * microseconds, so nothing is queued or batched); it is not forced to the disk: a kill loses nothing, a power cut may.
 */
import { closeSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { openPrivate } from '../log-file.ts'

export interface Journal<T> {
  /** Keeps `entry` until it is done. */
  begin(id: string, entry: T): void
  done(id: string): void
  /** What is begun and not done, by its id; at first, what an earlier process left. */
  readonly unfinished: ReadonlyMap<string, T>
  close(): void
}

interface Line<T> {
  id: string
  /** Absent when it is done. */
  entry?: T
}

/** Written bytes after which the file is made anew from what is still unfinished. */
const COMPACT_AFTER_BYTES = 16 * 1024 * 1024

/** Opens the journal in `path`, which need not exist. */
export function openJournal<T>(path: string): Journal<T> {
  const unfinished = read<T>(path)
  let descriptor = compact(path, unfinished)
  let written = 0

  function write(line: Line<T>): void {
    written += writeSync(descriptor, toText(line))
    if (written < COMPACT_AFTER_BYTES) return
    closeSync(descriptor)
    descriptor = compact(path, unfinished)
    written = 0
  }

  return {
    unfinished,
    begin(id, entry) {
      unfinished.set(id, entry)
      write({ id, entry })
    },
    done(id) {
      if (unfinished.delete(id)) write({ id })
    },
    close: () => closeSync(descriptor),
  }
}

function read<T>(path: string): Map<string, T> {
  const entries = new Map<string, T>()
  for (const text of readLines(path)) {
    const line = parse<T>(text)
    if (line?.entry !== undefined) entries.set(line.id, line.entry)
    else if (line !== undefined) entries.delete(line.id)
  }
  return entries
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** The last line is cut short where the process was killed while it wrote: its event was not answered yet. */
function parse<T>(text: string): Line<T> | undefined {
  try {
    return JSON.parse(text) as Line<T>
  } catch {
    return undefined
  }
}

/** Writes a second file and then renames it, so that there is a whole one at every moment. */
function compact<T>(path: string, entries: ReadonlyMap<string, T>): number {
  writeFileSync(`${path}.new`, [...entries].map(([id, entry]) => toText({ id, entry })).join(''), {
    mode: 0o600,
  })
  renameSync(`${path}.new`, path)
  return openPrivate(path)
}

function toText<T>(line: Line<T>): string {
  return `${JSON.stringify(line)}\n`
}
