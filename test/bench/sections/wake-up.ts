/** The first request to a function that sleeps, through the gateway. */
import { setTimeout as delay } from 'node:timers/promises'
import { sendOnce } from '../http-request.ts'
import { startMeasuredPlatform } from '../platform.ts'
import { readState } from '../../platform/start-platform.ts'
import { ratio, show, type Bench, type Findings, type Section } from '../section.ts'
import { serverFile, timeColdStart } from '../server-process.ts'
import { median, percentile } from '../statistics.ts'

const FUNCTION = 'void-entropy'
const PATH = '/v1/agentese/void/entropy/manifest'
const HONO = { args: [serverFile('bare-hono.js')] }

export const wakeUp: Section = { name: 'wake-up', title: 'Wake-up', run }

async function run({ quick, say }: Bench): Promise<Findings> {
  const measured = await startMeasuredPlatform({ KNATIVE_TIME_SCALE: '0.02', INFERENCE: 'off' })
  const { platform, port } = measured
  try {
    const [headers = {}] = await measured.addTenants(1)
    const asleep: number[] = []
    const awake: number[] = []
    const hono: number[] = []
    const rounds = quick ? 3 : 9
    for (let round = 1; round <= rounds; round += 1) {
      say(`round ${round} of ${rounds}`)
      await untilAsleep(platform.state)
      asleep.push(await time(port, headers))
      awake.push(await time(port, headers))
      hono.push(await timeColdStart(HONO, { method: 'GET', path: '/', headers: {} }))
    }
    return toFindings(asleep, awake, hono)
  } finally {
    await measured.stop()
  }
}

async function time(port: number, headers: Record<string, string>): Promise<number> {
  const start = performance.now()
  const { status, body } = await sendOnce(port, { method: 'POST', path: PATH, headers, body: '{}' })
  if (status !== 200) throw new Error(`Cannot measure: ${status} ${body}`)
  return performance.now() - start
}

async function untilAsleep(state: string): Promise<void> {
  const { knative } = readState<{ knative: { port: number } }>(state, 'processes.json')
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${knative.port}/status`)
    const { functions } = (await response.json()) as { functions: Record<string, { pods: unknown[] }> }
    if (functions[FUNCTION]?.pods.length === 0) return
    await delay(50)
  }
}

function toFindings(asleep: number[], awake: number[], hono: number[]): Findings {
  const row = (name: string, times: number[]) => [
    name,
    show(median(times)),
    show(percentile(times, 0.95)),
    ratio(median(times) / median(hono)),
  ]
  return {
    method: `Read of ${PATH} with a token, on a connection of its own; ${asleep.length} rounds. The wait is a process start, a connection to the database and the call.`,
    table: {
      columns: ['first answer of', 'p50 ms', 'p95 ms', 'of bare Hono'],
      rows: [
        row('a function asleep, through the gateway', asleep),
        row('a function awake, through the gateway', awake),
        row('bare Hono, started by us, nothing before it', hono),
      ],
    },
  }
}
