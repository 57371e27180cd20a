/**
 * What it costs to know who calls, that they may, that the plan has it, and to record the call: all that is common to every
 * call, without the call itself. CPU of the process and of PostgreSQL, what both do in the background included.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Sql } from 'postgres'
import { insertTenant } from '../../servers/functions/in-process.ts'
import { PARTS, type Order, type Part, type Used } from '../authorise-order.ts'
import { ROOT } from '../checkout.ts'
import { compare } from '../comparison.ts'
import type * as FunctionsModule from '../functions.ts'
import type { MeasuredDatabase } from '../functions.ts'
import { meterOf, readProc } from '../processes.ts'
import { inTurn, type Bench, type Findings, type Section } from '../section.ts'
import { serverFile } from '../server-process.ts'
import { median } from '../statistics.ts'

const TENANTS = 50
/** The rate of the published baseline, as in the section `hot-path`. */
const PER_SECOND = 478
/** Calls one right after the other: what is left is the work itself, and batches as large as they become. */
const FULL_SPEED_CALLS = 10_000
const SPEEDS = ['steady', 'full speed'] as const
type Speed = (typeof SPEEDS)[number]
const WANTED_MS = 0.1
const BEFORE = 'before'
const AFTER = 'after'

export const entitlement: Section = { name: 'entitlement', title: 'Entitlement', run }

interface Subject {
  child: ChildProcess
  database: MeasuredDatabase
  postmaster: number
}

/** Milliseconds of CPU for one call. */
interface Cost {
  process: number
  postgres: number
}

async function run({ quick, before, say }: Bench): Promise<Findings> {
  const subjects: Record<string, Subject> = { [AFTER]: await start(ROOT) }
  try {
    if (before !== undefined) subjects[BEFORE] = await start(before)
    const [seconds, rounds] = quick ? [1, 1] : [5, 5]
    const lanes = Object.keys(subjects).flatMap((name) =>
      SPEEDS.flatMap((speed) => PARTS.map((part) => laneOf(name, speed, part))),
    )
    const costs = await inTurn(lanes, rounds, async (lane, round) => {
      const [name, speed, part] = lane.split(', ') as [string, Speed, Part]
      const [calls, perSecond] =
        speed === 'steady' ? [seconds * PER_SECOND, PER_SECOND] : [FULL_SPEED_CALLS, Number.MAX_SAFE_INTEGER]
      const cost = await measure(subjects[name] as Subject, { part, calls, perSecond })
      say(`round ${round + 1} of ${rounds}: ${lane}: ${(cost.process + cost.postgres).toFixed(3)} ms`)
      return cost
    })
    return toFindings(Object.keys(subjects), costs)
  } finally {
    for (const subject of Object.values(subjects)) await stop(subject)
  }
}

/** The program of this checkout, on the code and the schema of the one in `root`. */
async function start(root: string): Promise<Subject> {
  const file = pathToFileURL(join(root, 'test/bench/functions.ts')).href
  const { openMeasuredDatabase } = (await import(file)) as typeof FunctionsModule
  const database = await openMeasuredDatabase()
  const { owner, urls } = database
  const tenants = Array.from({ length: TENANTS }, () => insertTenant(owner, 'enterprise', ['developer']))
  const keys = (await Promise.all(tenants)).map(({ key }) => key)
  const env = { PATH: process.env['PATH'], NODE_ENV: 'production', DATABASE_URL: urls.app }
  const child = fork(serverFile('authorise.ts'), [root, JSON.stringify(keys)], { env })
  await once(child, 'message')
  return { child, database, postmaster: await postmasterOf(owner) }
}

/** The parent of the process that serves this connection. */
async function postmasterOf(owner: Sql): Promise<number> {
  const [row] = await owner<[{ pid: number }]>`select pg_backend_pid() as pid`
  const stat = readProc(row.pid, 'stat') ?? ''
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
}

function laneOf(name: string, speed: Speed, part: Part): string {
  return `${name}, ${speed}, ${part}`
}

async function measure({ child, postmaster }: Subject, order: Order): Promise<Cost> {
  const { calls } = order
  const meter = meterOf(postmaster, () => 'postgres')
  const answer = once(child, 'message')
  child.send(order)
  const [{ cpu }] = (await answer) as [Used]
  return { process: cpu / 1000 / calls, postgres: (meter()['postgres'] ?? 0) / calls }
}

async function stop({ child, database }: Subject): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
  await database.stop()
}

function toFindings(names: readonly string[], costs: Record<string, Cost[]>): Findings {
  /** Over what is used by doing nothing, round by round. */
  const over = (name: string, speed: Speed, part: Part, pick: (cost: Cost) => number) =>
    (costs[laneOf(name, speed, part)] ?? []).map(
      (cost, round) =>
        pick(cost) - pick(costs[laneOf(name, speed, 'nothing')]?.[round] ?? { process: 0, postgres: 0 }),
    )
  const sum = ({ process: own, postgres }: Cost) => own + postgres
  const parts = PARTS.filter((part) => part !== 'nothing')
  return {
    method:
      `${PER_SECOND} calls/s (steady), or one right after the other (full speed), by ${TENANTS} tenants with an API key each, in one ` +
      'process, without a handler: CPU over what the same ' +
      'loop uses without any step. `authorise` is who calls and what it may, `entitle` the limits of the plan besides, `meter` ' +
      'the record of the call besides. Credentials are read again every 3 s and records written in batches, both included.',
    table: {
      columns: ['CPU ms a call', 'process', 'PostgreSQL', 'sum'],
      rows: names.flatMap((name) =>
        SPEEDS.flatMap((speed) =>
          parts.map((part) => [
            laneOf(name, speed, part),
            ...[({ process: own }: Cost) => own, ({ postgres }: Cost) => postgres, sum].map((pick) =>
              median(over(name, speed, part, pick)).toFixed(3),
            ),
          ]),
        ),
      ),
    },
    comparisons: SPEEDS.map((speed) =>
      compare({
        what: `authorisation, entitlement and metering of a call, ${speed}`,
        unit: 'ms',
        before: names.includes(BEFORE) ? over(BEFORE, speed, 'meter', sum) : undefined,
        after: over(AFTER, speed, 'meter', sum),
        reference: over(AFTER, speed, 'authorise', sum),
        over: 'authorisation alone',
        wanted: { of: 'value', atMost: WANTED_MS },
      }),
    ),
  }
}
