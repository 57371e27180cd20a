/** A control group with the CPU limit that a container has; version 1 or 2, whichever is mounted. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface CpuLimit {
  /** Whoever writes its process id into these is limited, and counted. */
  readonly joins: readonly string[]
  /** Sets the limit, in cores. */
  limit(cores: number): void
  /** Milliseconds of CPU that all its processes have used. */
  usedMs(): number
  /** Milliseconds for which its processes were held back. */
  throttledMs(): number
  remove(): void
}

const PERIOD_MICROSECONDS = 100_000
const V1 = '/sys/fs/cgroup'
const V2 = '/sys/fs/cgroup'

/** @returns undefined where control groups cannot be made */
export function openCpuLimit(name: string): CpuLimit | undefined {
  try {
    return existsSync(join(V1, 'cpu')) ? openV1(name) : openV2(name)
  } catch (error) {
    if (['EROFS', 'EACCES', 'EPERM', 'ENOENT', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined
    throw error
  }
}

function openV1(name: string): CpuLimit {
  const [cpu, accounts] = [join(V1, 'cpu', name), join(V1, 'cpuacct', name)]
  for (const group of [cpu, accounts]) mkdirSync(group, { recursive: true })
  return {
    joins: [join(cpu, 'cgroup.procs'), join(accounts, 'cgroup.procs')],
    limit(cores) {
      writeFileSync(join(cpu, 'cpu.cfs_period_us'), String(PERIOD_MICROSECONDS))
      writeFileSync(join(cpu, 'cpu.cfs_quota_us'), String(cores * PERIOD_MICROSECONDS))
    },
    usedMs: () => Number(readFileSync(join(accounts, 'cpuacct.usage'), 'utf8')) / 1e6,
    throttledMs: () => statOf(cpu, 'throttled_time') / 1e6,
    remove: () => [cpu, accounts].forEach((group) => rmdirSync(group)),
  }
}

function openV2(name: string): CpuLimit {
  const group = join(V2, name)
  mkdirSync(group, { recursive: true })
  return {
    joins: [join(group, 'cgroup.procs')],
    limit: (cores) =>
      writeFileSync(join(group, 'cpu.max'), `${cores * PERIOD_MICROSECONDS} ${PERIOD_MICROSECONDS}`),
    usedMs: () => statOf(group, 'usage_usec') / 1e3,
    throttledMs: () => statOf(group, 'throttled_usec') / 1e3,
    remove: () => rmdirSync(group),
  }
}

function statOf(group: string, name: string): number {
  const stat = readFileSync(join(group, 'cpu.stat'), 'utf8')
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0)
}
