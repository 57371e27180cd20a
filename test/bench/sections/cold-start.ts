/** How long a process takes from its start to its first good answer, as it is deployed. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'rolldown'
import { bundlerOf } from '../checkout.ts'
import { compare, type Measured } from '../comparison.ts'
import { createFixture, type Fixture } from '../fixture.ts'
import type { HttpRequest } from '../http-request.ts'
import { inTurn, ratio, show, type Bench, type Comparison, type Findings, type Section } from '../section.ts'
import { serverFile, startServer, timeColdStart, type Program } from '../server-process.ts'
import { median, medianRatio, percentile } from '../statistics.ts'
import { FAAS } from './function-server.ts'

const OURS = 'kgents function'
const VALIDATED = 'kgents function, verified and validated call'
const before = (name: string) => `${name}, before`
const HONO = 'bare Hono'
const HONO_BUNDLED = 'bare Hono, bundled, with compile cache'
const RUNTIME = 'faas-js-runtime'

interface Start {
  program: Program
  request: HttpRequest
}

export const coldStart: Section = { name: 'cold-start', title: 'Cold start', run }

async function run({ quick, before: root, say }: Bench): Promise<Findings> {
  const folder = await mkdtemp(join(tmpdir(), 'kgents-bench-'))
  try {
    say('bundling')
    const starts = await prepare(folder, await createFixture(), root)
    for (const start of Object.values(starts)) await fillCache(start)
    const rounds = quick ? 3 : 11
    const results = await inTurn(Object.keys(starts), rounds, (name, round) => {
      if (round === 0 || name === OURS) say(`round ${round + 1} of ${rounds}: ${name}`)
      const { program, request } = starts[name] as Start
      return timeColdStart(program, request)
    })
    return toFindings(results, rounds)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function prepare(
  folder: string,
  fixture: Fixture,
  root: string | undefined,
): Promise<Record<string, Start>> {
  const hono = join(folder, 'hono')
  await build({
    input: serverFile('bare-hono.js'),
    platform: 'node',
    logLevel: 'warn',
    output: { dir: hono, format: 'esm' },
  })
  const env = { NODE_COMPILE_CACHE: join(folder, 'cache') }
  const echo = await fixture.dispatchedCall('echo', 'concept.echo.manifest', { text: 'hello' })
  const earlier = root === undefined ? {} : await startsOf(root, join(folder, 'before'), fixture)
  return {
    ...(await startsOf(undefined, join(folder, 'after'), fixture)),
    ...Object.fromEntries(Object.entries(earlier).map(([name, start]) => [before(name), start])),
    [HONO]: { program: { args: [serverFile('bare-hono.js')] }, request: echo },
    [HONO_BUNDLED]: { program: { args: [join(hono, 'bare-hono.js')], env }, request: echo },
    [RUNTIME]: { program: { args: [FAAS, serverFile('faas-function.cjs')] }, request: echo },
  }
}

/** The functions of a checkout as they are deployed. */
async function startsOf(
  root: string | undefined,
  folder: string,
  fixture: Fixture,
): Promise<Record<string, Start>> {
  const bundleFunctions = await bundlerOf(root)
  const { args, env } = await bundleFunctions(folder)
  const cache = { NODE_COMPILE_CACHE: join(folder, 'cache') }
  const program = (name: string): Program => ({
    args,
    env: { ...fixture.env, ...env, ...cache, FUNCTION: name },
  })
  const read = (path: string): HttpRequest => ({ method: 'GET', path, headers: {} })
  const call = { ...read('/v1/agentese/discover?context=void'), headers: await fixture.clientHeaders() }
  return {
    [OURS]: { program: program('void-entropy'), request: read('/health/live') },
    [VALIDATED]: { program: program('logos'), request: call },
  }
}

async function fillCache({ program, request }: Start): Promise<void> {
  if (program.env?.['NODE_COMPILE_CACHE'] === undefined) return
  const server = await startServer(program, request)
  await server.flushCompileCache()
  await server.stop()
}

function toFindings(results: Record<string, number[]>, rounds: number): Findings {
  const of = (name: string) => median(results[name] ?? [])
  const over = (name: string, reference: string) => medianRatio(results[name] ?? [], results[reference] ?? [])
  const overRuntime = over(OURS, RUNTIME)
  return {
    method:
      `From spawning the process to its first 200, ${rounds} rounds in turn. Ours is what is deployed: the snapshot of all ` +
      'functions; the references start as their users start them, and Hono in our way as well.',
    table: {
      columns: ['process', 'median ms', 'fastest ms', 'p90 ms', 'of bare Hono'],
      rows: Object.entries(results).map(([name, times]) => [
        name,
        show(of(name)),
        show(Math.min(...times)),
        show(percentile(times, 0.9)),
        ratio(over(name, HONO)),
      ]),
    },
    comparisons: [
      comparison('cold start', OURS, { of: 'ratio', atMost: 1.15 }, results),
      comparison('first verified call', VALIDATED, { of: 'ratio', atMost: 1.4 }, results),
    ],
    targets: [
      {
        what: "cold start over faas-js-runtime's",
        wanted: '< 1x',
        measured: ratio(overRuntime),
        met: overRuntime < 1,
      },
    ],
  }
}

function comparison(
  what: string,
  name: string,
  wanted: Measured['wanted'],
  results: Record<string, number[]>,
): Comparison {
  const after = results[name] ?? []
  return compare({
    what,
    unit: 'ms',
    before: results[before(name)],
    after,
    reference: results[HONO] ?? [],
    over: HONO,
    wanted,
  })
}
