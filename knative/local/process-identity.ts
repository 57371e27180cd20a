/**
 * Whether a process that was written down in a file still runs. Its number alone is not enough: after a crash or a
 * restart of the machine anything may have that number. The moment of its start does, whatever title it gives itself.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { inherited } from './config.ts'

/** Number and start of a process as one line; undefined when there is none, or one that has ended and waits to be collected. */
export function identifyProcess(pid: number): string | undefined {
  try {
    const start = process.platform === 'linux' ? startOnLinux(pid) : startElsewhere(pid)
    return start === undefined ? undefined : `${pid} ${start}`
  } catch {
    return undefined
  }
}

/** The number of the process that `identity` names, if that very process still runs. */
export function findProcess(identity: string): number | undefined {
  const pid = Number.parseInt(identity, 10)
  return pid > 0 && identifyProcess(pid) === identity.trim() ? pid : undefined
}

/** In clock ticks since the machine started. The program's name comes before it, in brackets, and may hold anything. */
function startOnLinux(pid: number): string | undefined {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
}

function startElsewhere(pid: number): string | undefined {
  const text = execFileSync('ps', ['-p', String(pid), '-o', 'stat=,lstart='], {
    encoding: 'utf8',
    env: { PATH: inherited['PATH'], LC_ALL: 'C' },
  })
  const [state = 'Z', ...start] = text.trim().split(/\s+/)
  return state.startsWith('Z') ? undefined : start.join(' ')
}
