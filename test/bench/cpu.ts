/** CPU time that a call takes, by process: what is used at a steady rate, less what is used by doing nothing as long. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Generator } from './generators/generator.ts'
import { forEachLane, type Results, type Subjects } from './lanes.ts'
import type { Usage } from './processes.ts'
import { show, type Bench } from './section.ts'
import type { Kind, Subject } from './subjects.ts'

export interface CpuOfCall {
  /** Milliseconds by process. */
  byProcess: Usage
  sum: number
  p95: number
  errors: number
}

/** Calls per second: far below what any subject can take. */
export const STEADY: Record<Kind, number> = { write: 100, read: 200 }
const CONNECTIONS = 50
const WARM_UP_SECONDS = 1

/** Measures CPU time and latency at a steady rate, all subjects in turn. */
export async function measureSteady(
  subjects: Subjects,
  generator: Generator,
  { quick, say }: Bench,
): Promise<Results<CpuOfCall>> {
  const [seconds, rounds] = quick ? [3, 1] : [5, 5]
  const idle = new Map<number, Promise<Record<string, Usage>>>()
  return forEachLane(subjects, rounds, async (kind, name, subject, round) => {
    if (!idle.has(round)) idle.set(round, measureIdle(subjects, seconds))
    const { [name]: ownIdle = {} } = (await idle.get(round)) ?? {}
    const used = await measureCpu(generator, subject, kind, ownIdle, seconds)
    say(`round ${round + 1} of ${rounds}: ${kind}, ${name}: ${show(used.sum)} ms of CPU`)
    return used
  })
}

/** What each subject uses in one second of doing nothing; all at once, since none is asked. */
async function measureIdle(subjects: Subjects, seconds: number): Promise<Record<string, Usage>> {
  const meters = Object.entries(subjects).map(([name, subject]) => [name, subject.meter()] as const)
  await delay(seconds * 1000)
  return Object.fromEntries(meters.map(([name, read]) => [name, scale(read(), 1 / seconds)]))
}

/** Until all that the calls have caused is done: the events of the last ones count as well. */
async function measureCpu(
  generator: Generator,
  subject: Subject,
  kind: Kind,
  idle: Usage,
  seconds: number,
): Promise<CpuOfCall> {
  const { port, requests, settle, meter } = subject
  const load = { connections: CONNECTIONS, rate: STEADY[kind], requests: requests[kind] }
  await generator.offer(port, { ...load, seconds: WARM_UP_SECONDS })
  await settle()
  const read = meter()
  const startedAt = performance.now()
  const { answers, p95, errors } = await generator.offer(port, { ...load, seconds })
  await settle()
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
