/** Files that hold what parts print or tenants sent: for their owner's eyes alone, and of limited size where they are logs. */
import { fchmodSync, openSync, readFileSync, statSync } from 'node:fs'

const LOG_LIMIT_BYTES = 8 * 1024 * 1024
const TAIL_LINES = 20

/** Opens a file to append to that only its owner can read; also one that an older version made for everybody. */
export function openPrivate(path: string, flags: 'a' | 'w' = 'a'): number {
  const descriptor = openSync(path, flags, 0o600)
  fchmodSync(descriptor, 0o600)
  return descriptor
}

/** Opens a log; one that has grown past its limit starts over. `start` is where this run's lines begin. */
export function openLog(path: string): { descriptor: number; start: number } {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  const startOver = size > LOG_LIMIT_BYTES
  return { descriptor: openPrivate(path, startOver ? 'w' : 'a'), start: startOver ? 0 : size }
}

/** The last lines of a log from `start` on, indented for an error's message, and where the rest is. */
export function tailOfLog(path: string, start: number): string {
  const lines = readFrom(path, start).trimEnd().split('\n').slice(-TAIL_LINES)
  return `${lines.map((line) => `  | ${line}`).join('\n')}\n  (log: ${path})`
}

function readFrom(path: string, start: number): string {
  try {
    return readFileSync(path).subarray(start).toString('utf8')
  } catch {
    return ''
  }
}
