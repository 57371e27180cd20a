/** How many small calls one function process takes, beside a bare Hono server and Knative's own Node runtime. */
import { fileURLToPath } from 'node:url'
import { createFixture, type Fixture } from '../fixture.ts'
import { pushLoad, type LoadResult } from '../generators/load.ts'
import { inTurn, ratio, show, type Bench, type Findings, type Section } from '../section.ts'
import { serverFile, startServer, type MeasuredServer, type Program } from '../server-process.ts'
import { median, medianRatio } from '../statistics.ts'

const CONNECTIONS = 32

export const FAAS = fileURLToPath(import.meta.resolve('faas-js-runtime/bin/cli.js'))

interface Round extends LoadResult {
  cpuMicroseconds: number
}

export const functionServer: Section = { name: 'function', title: 'Function server', run }

async function run({ quick, say }: Bench): Promise<Findings> {
  const fixture = await createFixture()
  const requests = await callsOf(fixture)
  const [seconds, rounds] = quick ? [0.5, 2] : [1, 11]
  const servers = new Map<string, MeasuredServer>()
  try {
    for (const [name, program] of Object.entries(programs(fixture))) {
      say(`starting ${name}`)
      const [first] = requests
      if (first !== undefined) servers.set(name, await startServer(program, first))
    }
    const load = { connections: CONNECTIONS, seconds, requests }
    const names = [...servers.keys()]
    await inTurn(names, 1, async (name) => push(servers, name, load)) // until it is compiled
    const results = await inTurn(names, rounds, (name, round) => {
      say(`round ${round + 1} of ${rounds}: ${name}`)
      return push(servers, name, load)
    })
    return toFindings(results, rounds, seconds)
  } finally {
    for (const server of servers.values()) await server.stop()
  }
}

const OURS = 'kgents function'
const HONO = 'bare Hono'
const RUNTIME = 'faas-js-runtime'

function programs({ env }: Fixture): Record<string, Program> {
  return {
    [OURS]: { args: [serverFile('kgents-function.ts')], env: { ...env, FUNCTION: 'concept-echo' } },
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
  servers: ReadonlyMap<string, MeasuredServer>,
  name: string,
  load: Parameters<typeof pushLoad>[1],
): Promise<Round> {
  const server = servers.get(name)
  if (server === undefined) throw new TypeError(`Nothing was started as "${name}"`)
  const before = await server.usedCpu()
  const result = await pushLoad(server.port, load)
  const cpuMicroseconds = ((await server.usedCpu()) - before) / result.answers
  return { ...result, cpuMicroseconds }
}

function toFindings(results: Record<string, Round[]>, rounds: number, seconds: number): Findings {
  const of = (name: string, pick: (round: Round) => number) => median((results[name] ?? []).map(pick))
  const rates = (name: string) => (results[name] ?? []).map(({ requestsPerSecond }) => requestsPerSecond)
  const overRuntime = medianRatio(rates(OURS), rates(RUNTIME))
  const overHono = medianRatio(rates(OURS), rates(HONO))
  return {
    method:
      `One CloudEvent call (\`POST /\`) into a function that answers its input, ${CONNECTIONS} connections, ` +
      `${rounds} rounds of ${seconds} s in turn, medians, and ratios within a round. Only ours verifies the caller's token, checks input and ` +
      'permission, and runs the whole pipeline; no database.',
    table: {
      columns: ['server', 'requests/s', 'p50 ms', 'p99 ms', 'CPU us/request', 'errors', 'of bare Hono'],
      rows: [OURS, HONO, RUNTIME].map((name) => [
        name,
        show(median(rates(name))),
        show(of(name, ({ p50 }) => p50)),
        show(of(name, ({ p99 }) => p99)),
        show(of(name, ({ cpuMicroseconds }) => cpuMicroseconds)),
        (results[name] ?? []).reduce((sum, { errors }) => sum + errors, 0),
        ratio(medianRatio(rates(name), rates(HONO))),
      ]),
    },
    targets: [
      {
        what: 'requests/s over faas-js-runtime',
        wanted: '>= 2x',
        measured: ratio(overRuntime),
        met: overRuntime >= 2,
      },
      {
        what: 'requests/s over bare Hono',
        wanted: '>= 0.5x',
        measured: ratio(overHono),
        met: overHono >= 0.5,
      },
    ],
  }
}
