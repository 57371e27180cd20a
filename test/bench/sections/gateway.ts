/** The whole path through the gateway, at the rate of the published baseline and at the highest that works. */
import type { HttpRequest } from '../http-request.ts'
import type { LoadResult } from '../load.ts'
import { offerLoad } from '../offer-load.ts'
import { startMeasuredPlatform } from '../platform.ts'
import { inTurn, ratio, show, type Bench, type Curve, type Findings, type Section } from '../section.ts'
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

interface Lane {
  port: number
  requests: HttpRequest[]
}

type Lanes = Record<string, Lane>

export const gateway: Section = { name: 'gateway', title: 'Whole path through the gateway', run }

async function run(bench: Bench): Promise<Findings> {
  bench.say('starting the platform')
  const measured = await startMeasuredPlatform({ KNATIVE_TIME_SCALE: '1', INFERENCE: 'off' })
  const { port, platform } = measured
  const [read, write] = callsOf(await measured.addTenants(CONNECTIONS))
  const hono = await startServer({ args: [serverFile('bare-hono.js')] }, write[0] as HttpRequest)
  try {
    const lanes: Lanes = {
      [READ]: { port, requests: read },
      [WRITE]: { port, requests: write },
      [HEALTH]: { port, requests: [{ method: 'GET', path: '/health/saas', headers: {} }] },
      [HONO]: { port: hono.port, requests: write },
    }
    return toFindings(await atBaseline(lanes, bench), await climb(lanes, bench))
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
  return [call('manifest', {}), call('sip', { amount: 0.0001 })]
}

function atBaseline(lanes: Lanes, { quick, say }: Bench): Promise<Record<string, LoadResult[]>> {
  const [seconds, rounds] = quick ? [2, 2] : [4, 4]
  // The first round is a warm-up and is dropped.
  return inTurn(Object.keys(lanes), rounds, (name, round) => {
    say(`${BASELINE.rate}/s, ${round === 0 ? 'warm-up' : `round ${round} of ${rounds - 1}`}: ${name}`)
    return offer(lanes, name, BASELINE.rate, seconds)
  })
}

function offer(lanes: Lanes, name: string, rate: number, seconds: number): Promise<LoadResult> {
  const { port, requests } = lanes[name] as Lane
  return offerLoad(port, { connections: CONNECTIONS, rate, seconds, requests })
}

interface Climb {
  best: LoadResult | undefined
  curve: Curve
}

/** Offers more and more until it is too much. */
async function climb(lanes: Lanes, { quick, say }: Bench): Promise<Record<string, Climb>> {
  const climbs: Record<string, Climb> = {}
  for (const name of [READ, WRITE, HONO]) {
    const points: Curve['points'][number][] = []
    let best: LoadResult | undefined
    for (let rate = BASELINE.rate; ; rate = Math.round(rate * 1.25)) {
      const result = await offer(lanes, name, rate, quick ? 1 : 2.5)
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

function toFindings(results: Record<string, LoadResult[]>, climbs: Record<string, Climb>): Findings {
  const of = (name: string, pick: (result: LoadResult) => number) =>
    median((results[name] ?? []).slice(1).map(pick))
  const best = (name: string) => climbs[name]?.best?.requestsPerSecond ?? Number.NaN
  const p95 = Math.max(...[READ, WRITE].map((name) => of(name, (result) => result.p95)))
  const times = Math.min(best(READ), best(WRITE)) / BASELINE.rate
  return {
    method:
      `${BASELINE.rate} requests/s offered evenly over ${CONNECTIONS} connections by ${CONNECTIONS} tenants with a token each; ` +
      'rounds in turn, medians. Everything is on: JWT and limits at the gateway, activator, verification, row-level ' +
      `security, marks, events, relay. Highest rate: no error, p95 <= ${LIMIT_MS} ms. The load comes from the same machine.`,
    table: {
      columns: ['request', 'requests/s', 'p50 ms', 'p95 ms', 'p99 ms', 'errors', 'highest rate/s'],
      rows: Object.keys(results).map((name) => [
        name,
        show(of(name, (result) => result.requestsPerSecond)),
        show(of(name, (result) => result.p50)),
        show(of(name, (result) => result.p95)),
        show(of(name, (result) => result.p99)),
        (results[name] ?? []).slice(1).reduce((sum, { errors }) => sum + errors, 0),
        show(best(name)),
      ]),
    },
    targets: [
      {
        what: `p95 of reads and writes at ${BASELINE.rate}/s`,
        wanted: `<= ${BASELINE.p95} ms`,
        measured: `${show(p95)} ms`,
        met: p95 <= BASELINE.p95,
      },
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
