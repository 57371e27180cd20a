/** The whole path through the gateway, at the rate of the published baseline and at the highest that works. */
import type { HttpRequest } from '../http-request.ts'
import { findGenerator } from '../generators/generator.ts'
import type { LoadResult } from '../generators/load.ts'
import { startMeasuredPlatform } from '../platform.ts'
import {
  inTurn,
  ratio,
  show,
  type Bench,
  type Curve,
  type Findings,
  type Section,
  type Target,
} from '../section.ts'
import { serverFile, startServer } from '../server-process.ts'
import { median } from '../statistics.ts'

/** The baseline that was published for the system that kgents replaces: `/health/saas` alone, nothing else on. */
const BASELINE = { rate: 478, p95: 6.95 }
const CONNECTIONS = 50
/** A rate counts as carried while nothing fails and the slowest twentieth stays below this. */
const LIMIT_MS = 100

const READ = 'read: void.entropy.manifest'
const WRITE = 'write: void.entropy.sip'
const HEALTH = 'GET /health/saas'
const HONO = 'bare Hono'

/** Where each climb begins, and by what it grows. */
const CLIMBS = {
  [READ]: { start: 75, factor: 1.35 },
  [WRITE]: { start: 75, factor: 1.35 },
  [HONO]: { start: BASELINE.rate, factor: 2 },
}
const WARM_UP_RATE = 150
/** The smallest that there is: a tenant's pool must not run dry while we measure. */
const SIP = 0.001

interface Lane {
  port: number
  requests: HttpRequest[]
}

type Offer = (name: string, rate: number, seconds: number) => Promise<LoadResult>

type Lanes = Record<string, Lane>

export const gateway: Section = { name: 'gateway', title: 'Whole path through the gateway', run }

async function run(bench: Bench): Promise<Findings> {
  bench.say('starting the platform')
  const platform = await startMeasuredPlatform({ KNATIVE_TIME_SCALE: '1', INFERENCE: 'off' })
  const { port } = platform
  const [read, write] = callsOf(await platform.addTenants(CONNECTIONS))
  const hono = await startServer({ args: [serverFile('bare-hono.js')] }, write[0] as HttpRequest)
  const lanes: Lanes = {
    [READ]: { port, requests: read },
    [WRITE]: { port, requests: write },
    [HEALTH]: { port, requests: [{ method: 'GET', path: '/health/saas', headers: {} }] },
    [HONO]: { port: hono.port, requests: write },
  }
  const generator = findGenerator()
  const offer: Offer = async (name, rate, seconds) => {
    const lane = lanes[name] as Lane
    const result = await generator.offer(lane.port, { connections: CONNECTIONS, rate, seconds, ...lane })
    await platform.settle()
    return result
  }
  try {
    for (const name of Object.keys(lanes)) {
      bench.say(`warm-up: ${name}`)
      await offer(name, WARM_UP_RATE, bench.quick ? 2 : 5)
    }
    const baseline = await atBaseline(Object.keys(lanes), offer, bench)
    return toFindings(baseline, await climb(offer, bench), generator.description)
  } finally {
    await hono.stop()
    await platform.stop()
  }
}

/** Each tenant with its own token, since one tenant's pool is one row. */
function callsOf(tenants: Record<string, string>[]): [HttpRequest[], HttpRequest[]] {
  const call = (verb: string, input: object): HttpRequest[] =>
    tenants.map((headers) => ({
      method: 'POST',
      path: `/v1/agentese/void/entropy/${verb}`,
      headers,
      body: JSON.stringify(input),
    }))
  return [call('manifest', {}), call('sip', { amount: SIP })]
}

function atBaseline(
  names: string[],
  offer: Offer,
  { quick, say }: Bench,
): Promise<Record<string, LoadResult[]>> {
  const [seconds, rounds] = quick ? [2, 1] : [3, 3]
  return inTurn(names, rounds, (name, round) => {
    say(`${BASELINE.rate}/s, round ${round + 1} of ${rounds}: ${name}`)
    return offer(name, BASELINE.rate, seconds)
  })
}

interface Climb {
  best: LoadResult | undefined
  curve: Curve
}

/** Offers more and more until it is too much. */
async function climb(offer: Offer, { quick, say }: Bench): Promise<Record<string, Climb>> {
  const climbs: Record<string, Climb> = {}
  for (const [name, { start, factor }] of Object.entries(CLIMBS)) {
    const points: Curve['points'][number][] = []
    let best: LoadResult | undefined
    for (let rate = start; ; rate = Math.round(rate * factor)) {
      const result = await offer(name, rate, quick ? 1 : 3)
      const isCarried =
        result.errors === 0 && result.p95 <= LIMIT_MS && result.requestsPerSecond > rate * 0.95
      say(`${name}: ${rate}/s offered, p95 ${show(result.p95)} ms${isCarried ? '' : ': too much'}`)
      points.push({ rate, p50: result.p50, p95: result.p95 })
      if (!isCarried) break
      best = result
    }
    climbs[name] = { best, curve: { label: name, points } }
  }
  return climbs
}

function toFindings(
  results: Record<string, LoadResult[]>,
  climbs: Record<string, Climb>,
  generator: string,
): Findings {
  const of = (name: string, pick: (result: LoadResult) => number) => median((results[name] ?? []).map(pick))
  const best = (name: string) => climbs[name]?.best?.requestsPerSecond ?? Number.NaN
  const p95 = (...names: string[]) => Math.max(...names.map((name) => of(name, (result) => result.p95)))
  const times = Math.min(best(READ), best(WRITE)) / BASELINE.rate
  const rounds = results[READ]?.length ?? 0
  return {
    method:
      `${BASELINE.rate} requests/s offered evenly over ${CONNECTIONS} connections by ${CONNECTIONS} tenants with a token each; ` +
      `${rounds} rounds in turn, medians. Everything is on: JWT and limits at the gateway, activator, verification, row-level ` +
      `security, marks, events, relay. Highest rate: no error, p95 <= ${LIMIT_MS} ms. Load, from the same machine: ${generator}.`,
    table: {
      columns: ['request', 'requests/s', 'p50 ms', 'p95 ms', 'p99 ms', 'errors', 'highest rate/s'],
      rows: Object.keys(results).map((name) => [
        name,
        show(of(name, (result) => result.requestsPerSecond)),
        show(of(name, (result) => result.p50)),
        show(of(name, (result) => result.p95)),
        show(of(name, (result) => result.p99)),
        (results[name] ?? []).reduce((sum, { errors }) => sum + errors, 0),
        show(best(name)),
      ]),
    },
    targets: [
      latencyTarget('p95 of what the baseline measured, GET /health/saas,', p95(HEALTH)),
      latencyTarget('p95 of reads and writes with everything on', p95(READ, WRITE)),
      {
        what: `highest rate over ${BASELINE.rate}/s`,
        wanted: '>= 10x',
        measured: ratio(times),
        met: times >= 10,
      },
    ],
    curves: Object.values(climbs).map(({ curve }) => curve),
  }
}

function latencyTarget(what: string, p95: number): Target {
  return {
    what: `${what} at ${BASELINE.rate}/s`,
    wanted: `<= ${BASELINE.p95} ms`,
    measured: `${show(p95)} ms`,
    met: p95 <= BASELINE.p95,
  }
}
