/** CPU time that a call takes, by process: what is used at a steady rate, less what is used by doing nothing as long. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Generator } from './generators/generator.ts'
import type { Usage } from './processes.ts'
import type { Kind, Subject } from './subjects.ts'

export interface CpuOfCall {
  /** Milliseconds by process. */
  byProcess: Usage
  sum: number
  p95: number
  errors: number
}

export interface SteadyLoad {
  kind: Kind
  rate: number
  seconds: number
}

const CONNECTIONS = 50
const WARM_UP_SECONDS = 1

/** Milliseconds of CPU that each subject uses in one second of doing nothing; all at once, since none is asked. */
export async function measureIdle(
  subjects: Record<string, Subject>,
  seconds: number,
): Promise<Record<string, Usage>> {
  const meters = Object.entries(subjects).map(([name, subject]) => [name, subject.meter()] as const)
  await delay(seconds * 1000)
  return Object.fromEntries(meters.map(([name, read]) => [name, scale(read(), 1 / seconds)]))
}

/** Until all that the calls have caused is done: the events of the last ones count as well. */
export async function measureCpu(
  generator: Generator,
  subject: Subject,
  idle: Usage,
  { kind, rate, seconds }: SteadyLoad,
): Promise<CpuOfCall> {
  const offer = (duration: number) =>
    generator.offer(subject.port, {
      connections: CONNECTIONS,
      rate,
      seconds: duration,
      requests: subject.requests[kind],
    })
  await offer(WARM_UP_SECONDS)
  await subject.settle()
  const read = subject.meter()
  const startedAt = performance.now()
  const { answers, p95, errors } = await offer(seconds)
  await subject.settle()
  const elapsed = (performance.now() - startedAt) / 1000
  const byProcess = scale(less(read(), scale(idle, elapsed)), 1 / answers)
  return { byProcess, sum: Object.values(byProcess).reduce((sum, ms) => sum + ms, 0), p95, errors }
}

function scale(usage: Usage, factor: number): Usage {
  return Object.fromEntries(Object.entries(usage).map(([name, ms]) => [name, ms * factor]))
}

function less(usage: Usage, other: Usage): Usage {
  return Object.fromEntries(Object.entries(usage).map(([name, ms]) => [name, ms - (other[name] ?? 0)]))
}
