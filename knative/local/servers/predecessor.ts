/**
 * A server of an earlier run may still be finishing when the next run starts, and two servers on one data folder
 * damage it. So a start waits for the process that the pid file names, if that very process still runs.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { findProcess, identifyProcess } from '../process-identity.ts'

const PATIENCE_MS = 10_000

/** Writes down that `pid` uses `folder`, for the next start there. */
export function rememberProcess(folder: string, pid: number): void {
  const identity = identifyProcess(pid)
  if (identity !== undefined) writeFileSync(pidFileOf(folder), `${identity}\n`, { mode: 0o600 })
}

/** Waits until the process that last used `folder` is gone, or fails after ten seconds with the one that is in the way. */
export async function waitForPredecessor(name: string, folder: string): Promise<void> {
  const identity = readIdentity(folder)
  const deadline = Date.now() + PATIENCE_MS
  for (let pid = findProcess(identity); pid !== undefined; pid = findProcess(identity)) {
    if (Date.now() > deadline) {
      throw new Error(
        `Cannot start ${name} in "${folder}": process ${pid} still runs there; ` +
          `stop the platform that it belongs to, or the process, and start again`,
      )
    }
    await delay(50)
  }
}

function pidFileOf(folder: string): string {
  return `${folder}.pid`
}

function readIdentity(folder: string): string {
  try {
    return readFileSync(pidFileOf(folder), 'utf8')
  } catch {
    return ''
  }
}
