/**
 * CPU time that processes have used, by the names that people know them by. Linux alone tells it for processes that are
 * not our own children, so the sections that print it need Linux.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** Milliseconds of CPU by name. */
export type Usage = Record<string, number>

/** Answers what has been used since it was made. */
export type Meter = () => Usage

/** Answers who a process is; undefined where it goes by its parent's name. */
export type NameOf = (pid: number) => string | undefined

/** `USER_HZ` is 100 wherever Node runs on Linux. */
const TICK_MS = 10

interface Process {
  parent: number
  /** Of its children that have ended as well. */
  ms: number
}

interface Named {
  name: string
  parentName: string
  ms: number
}

/** Starts to count what the processes below `root`, itself included, use from now on. */
export function meterOf(root: number, nameOf: NameOf): Meter {
  const start = readTree(root, nameOf)
  return () => {
    const usage: Usage = {}
    const add = (name: string, ms: number) => (usage[name] = (usage[name] ?? 0) + ms)
    const now = readTree(root, nameOf)
    for (const [pid, { name, ms }] of now) add(name, ms - (start.get(pid)?.ms ?? 0))
    // Its whole life is its parent's now; what it had used before is not of this time.
    for (const [pid, { parentName, ms }] of start) if (!now.has(pid)) add(parentName, -ms)
    return usage
  }
}

function readTree(root: number, nameOf: NameOf): Map<number, Named> {
  const processes = readAll()
  const children = Map.groupBy(processes.keys(), (pid) => processes.get(pid)?.parent)
  const tree = new Map<number, Named>()
  const visit = (pid: number, parentName: string): void => {
    const name = nameOf(pid) ?? parentName
    tree.set(pid, { name, parentName, ms: processes.get(pid)?.ms ?? 0 })
    for (const child of children.get(pid) ?? []) visit(child, name)
  }
  visit(root, 'unknown')
  return tree
}

function readAll(): Map<number, Process> {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  return new Map(
    pids.flatMap((pid) => {
      const stat = readProc(pid, 'stat')
      return stat === undefined ? [] : [[pid, parse(stat)]]
    }),
  )
}

/** The fields after the program's name, which may hold anything: `man proc_pid_stat`. */
function parse(stat: string): Process {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [utime, stime, cutime, cstime] = fields.slice(11, 15).map(Number)
  const ticks = (utime ?? 0) + (stime ?? 0) + (cutime ?? 0) + (cstime ?? 0)
  return { parent: Number(fields[1]), ms: ticks * TICK_MS }
}

/** Undefined where the process has ended meanwhile. */
export function readProc(pid: number, file: 'stat' | 'environ'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}
