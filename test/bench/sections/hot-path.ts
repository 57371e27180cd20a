/**
 * What a call costs on its whole way, beside the floor: the same state work in one hop, on the same PostgreSQL. Prints the
 * CPU time of every process, so that it shows where it goes.
 */
import { compare, type Measured } from '../comparison.ts'
import { measureSteady, STEADY, type CpuOfCall } from '../cpu.ts'
import { findGenerator, type Generator } from '../generators/generator.ts'
import type { LoadResult } from '../generators/load.ts'
import {
  ratio,
  show,
  type Bench,
  type Comparison,
  type Findings,
  type Section,
  type Table,
} from '../section.ts'
import { forEachLane, laneOf, warmUp, type Results, type Subjects } from '../lanes.ts'
import { median, medianRatio } from '../statistics.ts'
import { KINDS, startFloor, startPlatformSubject, stopAll, type Kind } from '../subjects.ts'

const BEFORE = 'before'
const AFTER = 'after'
const FLOOR = 'floor'

/** The rate of the baseline that was published for the system that kgents replaces, and its p95 with everything off. */
const BASELINE = { rate: 478, p95: 6.95 }
/** A rate counts as carried while nothing fails and the slowest twentieth stays below this. */
const LIMIT_MS = 100
/** What is tried for the highest rate: more of them wait longer, and are answered in larger groups. */
const CONNECTIONS = [8, 16, 32, 64]

export const hotPath: Section = { name: 'hot-path', title: 'Hot path', run }

async function run(bench: Bench): Promise<Findings> {
  const generator = findGenerator()
  const subjects: Subjects = {}
  try {
    await start(subjects, bench)
    await warmUp(subjects, generator, bench)
    const cpu = await measureSteady(subjects, generator, bench)
    const baseline = await measureBaseline(subjects, generator, bench)
    const highest = await measureHighest(subjects, generator, bench)
    return toFindings(Object.keys(subjects), { cpu, baseline, highest }, generator)
  } finally {
    await stopAll(subjects)
  }
}

async function start(subjects: Subjects, { before, say }: Bench): Promise<void> {
  say('starting the platform')
  const after = await startPlatformSubject()
  subjects[AFTER] = after
  subjects[FLOOR] = await startFloor(after.platform)
  if (before === undefined) return
  say(`starting the platform of ${before}`)
  subjects[BEFORE] = await startPlatformSubject(before)
}

async function measureBaseline(
  subjects: Subjects,
  generator: Generator,
  { quick, say }: Bench,
): Promise<Results<LoadResult>> {
  const [seconds, rounds] = quick ? [2, 1] : [4, 5]
  return forEachLane(subjects, rounds, async (kind, name, subject, round) => {
    const load = { connections: 50, rate: BASELINE.rate, seconds, requests: subject.requests[kind] }
    const result = await generator.offer(subject.port, load)
    await subject.settle()
    say(`round ${round + 1} of ${rounds}: ${kind}, ${name}, ${BASELINE.rate}/s: p95 ${show(result.p95)} ms`)
    return result
  })
}

/** The highest rate that was carried with any number of connections; 0 where none was. */
async function measureHighest(
  subjects: Subjects,
  generator: Generator,
  { quick, say }: Bench,
): Promise<Results<number>> {
  const [seconds, rounds] = quick ? [1, 1] : [3, 3]
  return forEachLane(subjects, rounds, async (kind, name, subject, round) => {
    let best = 0
    for (const connections of CONNECTIONS) {
      const load = { connections, seconds, requests: subject.requests[kind] }
      const { requestsPerSecond, p95, errors } = await generator.push(subject.port, load)
      if (errors === 0 && p95 <= LIMIT_MS) best = Math.max(best, requestsPerSecond)
      await subject.settle()
    }
    say(`round ${round + 1} of ${rounds}: ${kind}, ${name}: ${show(best)}/s`)
    return best
  })
}

interface AllResults {
  cpu: Results<CpuOfCall>
  baseline: Results<LoadResult>
  highest: Results<number>
}

function toFindings(names: readonly string[], results: AllResults, { description }: Generator): Findings {
  return {
    method:
      `Writes are \`void.entropy.sip\`, reads \`void.entropy.manifest\`, by 50 tenants with a token each, everything on. Floor: a bare ` +
      'Hono server with `postgres` that does the same state work, on the same PostgreSQL. All in turn, medians of rounds, ratios ' +
      `within a round. Highest rate: no error, p95 <= ${LIMIT_MS} ms. Load: ${description}; its own CPU is not counted.`,
    table: ratesTable(names, results),
    further: KINDS.map((kind) => cpuTable(kind, names, results.cpu)),
    comparisons: KINDS.flatMap((kind) => comparisonsOf(kind, results)),
  }
}

function ratesTable(names: readonly string[], { baseline, highest }: AllResults): Table {
  return {
    columns: ['calls', 'highest rate/s', `p50 ms at ${BASELINE.rate}/s`, 'p95 ms', 'p99 ms', 'errors'],
    rows: KINDS.flatMap((kind) => names.map((name) => laneOf(kind, name))).map((lane) => {
      const results = baseline[lane] ?? []
      return [
        lane,
        show(median(highest[lane] ?? [])),
        ...(['p50', 'p95', 'p99'] as const).map((key) => show(median(results.map((each) => each[key])))),
        results.reduce((sum, { errors }) => sum + errors, 0),
      ]
    }),
  }
}

/** Milliseconds of CPU for one call, by process. */
function cpuTable(kind: Kind, names: readonly string[], cpu: Results<CpuOfCall>): Table {
  const rounds = (name: string) => cpu[laneOf(kind, name)] ?? []
  const of = (name: string, pick: (used: CpuOfCall) => number) => median(rounds(name).map(pick))
  const processes = new Set(
    names.flatMap((name) => rounds(name).flatMap(({ byProcess }) => Object.keys(byProcess))),
  )
  const sums = (name: string) => rounds(name).map(({ sum }) => sum)
  return {
    columns: [`CPU ms of a ${kind} at ${STEADY[kind]}/s`, ...names],
    rows: [
      ...[...processes].map((process) => [
        process,
        ...names.map((name) => of(name, ({ byProcess }) => byProcess[process] ?? 0).toFixed(3)),
      ]),
      ['sum', ...names.map((name) => median(sums(name)).toFixed(3))],
      ['over the floor', ...names.map((name) => ratio(medianRatio(sums(name), sums(FLOOR))))],
      ['p95 ms', ...names.map((name) => show(of(name, ({ p95 }) => p95)))],
      ['errors', ...names.map((name) => rounds(name).reduce((sum, { errors }) => sum + errors, 0))],
    ],
  }
}

function comparisonsOf(kind: Kind, { cpu, baseline, highest }: AllResults): Comparison[] {
  const three = <T>(results: Results<T>, pick: (result: T) => number) => ({
    before: results[laneOf(kind, BEFORE)]?.map(pick),
    after: results[laneOf(kind, AFTER)]?.map(pick) ?? [],
    reference: results[laneOf(kind, FLOOR)]?.map(pick) ?? [],
    over: 'floor',
  })
  const questions: Measured[] = [
    {
      what: `highest rate, ${kind}s`,
      unit: '/s',
      ...three(highest, (rate) => rate),
      wanted: { of: 'ratio', atLeast: 0.5 },
    },
    {
      what: `CPU of all parts, a ${kind}`,
      unit: 'ms',
      ...three(cpu, ({ sum }) => sum),
      wanted: { of: 'ratio', atMost: 2.5 },
    },
    {
      what: `p95 at ${BASELINE.rate}/s, ${kind}s`,
      unit: 'ms',
      ...three(baseline, ({ p95 }) => p95),
      wanted: { of: 'value', atMost: BASELINE.p95 },
    },
  ]
  return questions.map(compare)
}
