/** What a call costs when many have called before, beside the same call on an empty database. */
import { compare, type Measured } from '../comparison.ts'
import { measureSteady, STEADY, type CpuOfCall } from '../cpu.ts'
import { fillDatabase, type Filling } from '../fill-database.ts'
import { findGenerator, type Generator } from '../generators/generator.ts'
import { laneOf, warmUp, type Results, type Subjects } from '../lanes.ts'
import { show, type Bench, type Findings, type Section, type Table } from '../section.ts'
import { median } from '../statistics.ts'
import { KINDS, startPlatformSubject, stopAll, type Kind } from '../subjects.ts'

const EMPTY = 'empty database'
const FILLED = 'filled database'

const FILLING: Filling = { tenants: 10_000, marks: 1_000_000 }
const QUICK_FILLING: Filling = { tenants: 1000, marks: 50_000 }

export const filledDatabase: Section = { name: 'filled-database', title: 'Filled database', run }

async function run(bench: Bench): Promise<Findings> {
  const filling = bench.quick ? QUICK_FILLING : FILLING
  const generator = findGenerator()
  const after = await measure(bench, filling, generator)
  const before = bench.before === undefined ? {} : await measure(bench, filling, generator, bench.before)
  return {
    method:
      `Two platforms, one with ${show(filling.tenants)} tenants and ${show(filling.marks)} marks of 90 days, charges and grants ` +
      `included; ${STEADY.write} writes/s and ${STEADY.read} reads/s, in turn, medians of rounds. Load: ${generator.description}.`,
    table: toTable(after),
    comparisons: KINDS.flatMap((kind) => comparisonsOf(kind, after, before)),
  }
}

/** @param root the checkout that is measured; ours by default */
async function measure(
  bench: Bench,
  filling: Filling,
  generator: Generator,
  root?: string,
): Promise<Results<CpuOfCall>> {
  const subjects: Subjects = {}
  try {
    bench.say(`starting two platforms of ${root ?? 'this checkout'}`)
    subjects[EMPTY] = await startPlatformSubject(root)
    const filled = await startPlatformSubject(root)
    subjects[FILLED] = filled
    bench.say('filling the database')
    await fillDatabase(filled.platform.sql, filling)
    await warmUp(subjects, generator, bench)
    return await measureSteady(subjects, generator, bench)
  } finally {
    await stopAll(subjects)
  }
}

function toTable(results: Results<CpuOfCall>): Table {
  return {
    columns: ['calls', 'CPU ms', 'p95 ms', 'errors'],
    rows: Object.entries(results).map(([lane, rounds]) => [
      lane,
      median(rounds.map(({ sum }) => sum)).toFixed(3),
      show(median(rounds.map(({ p95 }) => p95))),
      rounds.reduce((sum, { errors }) => sum + errors, 0),
    ]),
  }
}

function comparisonsOf(kind: Kind, after: Results<CpuOfCall>, before: Results<CpuOfCall>) {
  const question = (what: string, pick: (used: CpuOfCall) => number): Measured => ({
    what: `${what} of a ${kind}, filled database`,
    unit: 'ms',
    before: before[laneOf(kind, FILLED)]?.map(pick),
    beforeReference: before[laneOf(kind, EMPTY)]?.map(pick),
    after: after[laneOf(kind, FILLED)]?.map(pick) ?? [],
    reference: after[laneOf(kind, EMPTY)]?.map(pick) ?? [],
    over: EMPTY,
    wanted: { of: 'ratio', atMost: 1.2 },
  })
  return [question('p95', ({ p95 }) => p95), question('CPU', ({ sum }) => sum)].map(compare)
}
