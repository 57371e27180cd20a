/**
 * A server of an earlier run may still be finishing when the next run starts, and two servers on one data folder
 * damage it. So a start waits for the process that the pid file names, if that process is still our server: after a
 * crash the file is stale, and the number may belong to anything by now.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

const PATIENCE_MS = 10_000

/** Where the process that uses `folder` is remembered. */
export function pidFileOf(folder: string): string {
  return `${folder}.pid`
}

/** Waits until the process that last used `folder` is gone, or says after ten seconds which one is in the way. */
export async function waitForPredecessor(name: string, folder: string): Promise<void> {
  const pid = readPid(pidFileOf(folder))
  if (pid === undefined) return
  const deadline = Date.now() + PATIENCE_MS
  while (readCommandLine(pid).includes(folder)) {
    if (Date.now() > deadline) {
      throw new Error(
        `Cannot start ${name} in "${folder}": process ${pid} still runs there; ` +
          `stop the platform that it belongs to, or the process, and start again`,
      )
    }
    await delay(50)
  }
}

function readPid(file: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10)
    return pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}

/** Empty when there is no such process; also for one that has ended and only waits to be collected. */
function readCommandLine(pid: number): string {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return execFileSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' })
  } catch {
    return ''
  }
}
