/** How many small calls one function process takes, beside a bare Hono server and Knative's own Node runtime. */
import { fileURLToPath } from 'node:url'
import { serverFileOf } from '../checkout.ts'
import { compare } from '../comparison.ts'
import { createFixture, type Fixture } from '../fixture.ts'
import { findGenerator, type Generator } from '../generators/generator.ts'
import type { Load, LoadResult } from '../generators/load.ts'
import { inTurn, ratio, show, type Bench, type Findings, type Section } from '../section.ts'
import { serverFile, startServer, type MeasuredServer, type Program } from '../server-process.ts'
import { median, medianRatio } from '../statistics.ts'

const CONNECTIONS = 32

export const FAAS = fileURLToPath(import.meta.resolve('faas-js-runtime/bin/cli.js'))

interface Round extends LoadResult {
  cpuMicroseconds: number
}

export const functionServer: Section = { name: 'function', title: 'Function server', run }

async function run({ quick, before, say }: Bench): Promise<Findings> {
  const generator = findGenerator()
  const fixture = await createFixture()
  const requests = await callsOf(fixture)
  const [seconds, rounds] = quick ? [1, 2] : [2, 11]
  const servers = new Map<string, MeasuredServer>()
  try {
    for (const [name, program] of Object.entries(programs(fixture, before))) {
      say(`starting ${name}`)
      const [first] = requests
      if (first !== undefined) servers.set(name, await startServer(program, first))
    }
    const load = { connections: CONNECTIONS, seconds, requests }
    const names = [...servers.keys()]
    await inTurn(names, 1, async (name) => push(generator, servers, name, load)) // until it is compiled
    const results = await inTurn(names, rounds, (name, round) => {
      say(`round ${round + 1} of ${rounds}: ${name}`)
      return push(generator, servers, name, load)
    })
    return toFindings(results, generator, rounds, seconds)
  } finally {
    for (const server of servers.values()) await server.stop()
  }
}

const OURS = 'kgents function'
const BEFORE = 'kgents function, before'
const HONO = 'bare Hono'
const RUNTIME = 'faas-js-runtime'

function programs({ env }: Fixture, before: string | undefined): Record<string, Program> {
  const ours = (file: string): Program => ({ args: [file], env: { ...env, FUNCTION: 'concept-echo' } })
  return {
    [OURS]: ours(serverFile('kgents-function.ts')),
    ...(before === undefined ? {} : { [BEFORE]: ours(serverFileOf(before, 'kgents-function.ts')) }),
    [HONO]: { args: [serverFile('bare-hono.js')] },
    [RUNTIME]: { args: [FAAS, serverFile('faas-function.cjs')] },
  }
}

/** As many tenants as connections, each with its token. */
function callsOf({ dispatchedCall }: Fixture) {
  const calls = Array.from({ length: CONNECTIONS }, () =>
    dispatchedCall('concept-echo', 'concept.echo.manifest', { text: 'hello' }),
  )
  return Promise.all(calls)
}

async function push(
  generator: Generator,
  servers: ReadonlyMap<string, MeasuredServer>,
  name: string,
  load: Load,
): Promise<Round> {
  const server = servers.get(name)
  if (server === undefined) throw new TypeError(`Nothing was started as "${name}"`)
  const before = await server.usedCpu()
  const result = await generator.push(server.port, load)
  const cpuMicroseconds = ((await server.usedCpu()) - before) / result.answers
  return { ...result, cpuMicroseconds }
}

function toFindings(
  results: Record<string, Round[]>,
  { description }: Generator,
  rounds: number,
  seconds: number,
): Findings {
  const of = (name: string, pick: (round: Round) => number) => median((results[name] ?? []).map(pick))
  const rates = (name: string) => (results[name] ?? []).map(({ requestsPerSecond }) => requestsPerSecond)
  const overRuntime = medianRatio(rates(OURS), rates(RUNTIME))
  return {
    method:
      `One CloudEvent call (\`POST /\`) into a function that answers its input, ${CONNECTIONS} connections, ` +
      `${rounds} rounds of ${seconds} s in turn, medians, and ratios within a round. Only ours verifies the caller's token, checks input and ` +
      `permission, and runs the whole pipeline; no database. Load: ${description}.`,
    table: {
      columns: ['server', 'requests/s', 'p50 ms', 'p99 ms', 'CPU us/request', 'errors', 'of bare Hono'],
      rows: Object.keys(results).map((name) => [
        name,
        show(median(rates(name))),
        show(of(name, ({ p50 }) => p50)),
        show(of(name, ({ p99 }) => p99)),
        show(of(name, ({ cpuMicroseconds }) => cpuMicroseconds)),
        (results[name] ?? []).reduce((sum, { errors }) => sum + errors, 0),
        ratio(medianRatio(rates(name), rates(HONO))),
      ]),
    },
    comparisons: [
      compare({
        what: 'function server, verified and validated',
        unit: '/s',
        before: results[BEFORE] === undefined ? undefined : rates(BEFORE),
        after: rates(OURS),
        reference: rates(HONO),
        over: HONO,
        wanted: { of: 'ratio', atLeast: 0.6 },
      }),
    ],
    targets: [
      {
        what: 'requests/s over faas-js-runtime',
        wanted: '>= 2x',
        measured: ratio(overRuntime),
        met: overRuntime >= 2,
      },
    ],
  }
}
