/** What a composition saves over its stages called one by one, and what passing a stage on costs. */
import { openMeasuredFunctions, type Caller } from '../functions.ts'
import { inTurn, ratio, show, type Bench, type Findings, type Section } from '../section.ts'
import { median, percentile, timeOf } from '../statistics.ts'

const STAGES = 5
/** The smallest that there is: a tenant's pool must not run dry while we measure. */
const SIP = { amount: 0.001 }
const WARM_UP_ROUNDS = 20

interface Kind {
  path: string
  input: object
}

const KINDS: Record<string, Kind> = {
  reading: { path: 'void.entropy.manifest', input: {} },
  writing: { path: 'void.entropy.sip', input: SIP },
}

const COMPOSED = `one composition of ${STAGES} stages`
const INVOKED = `${STAGES} single calls to logos`
const DIRECT = `${STAGES} calls to the functions themselves`

type Way = (caller: Caller, kind: Kind) => Promise<unknown>

const WAYS: Record<string, Way> = {
  [COMPOSED]: ({ calls }, { path, input }) =>
    calls('POST', '/v1/agentese/compose', {
      expression: Array(STAGES).fill(path).join(' >> '),
      inputs: Array(STAGES).fill(input),
    }),
  [INVOKED]: ({ calls }, { path, input }) =>
    oneAfterTheOther(() => calls('POST', '/v1/agentese/invoke', { path, input })),
  [DIRECT]: ({ calls }, { path, input }) =>
    oneAfterTheOther(() => calls('POST', `/v1/agentese/${path.replaceAll('.', '/')}`, input)),
}

export const composition: Section = { name: 'composition', title: 'Compositions', run }

async function run({ quick, say }: Bench): Promise<Findings> {
  say('starting PostgreSQL')
  const functions = await openMeasuredFunctions()
  try {
    const lanes: Record<string, () => Promise<unknown>> = {}
    for (const [name, kind] of Object.entries(KINDS))
      for (const [way, send] of Object.entries(WAYS)) {
        const caller = await functions.newCaller() // each its own, so that no plan's limit is what is measured
        lanes[laneOf(name, way)] = () => send(caller, kind)
      }
    const measure = (name: string) => timeOf(lanes[name] as () => Promise<unknown>)
    const names = Object.keys(lanes)
    await inTurn(names, WARM_UP_ROUNDS, measure)
    const rounds = quick ? 20 : 200
    const times = await inTurn(names, rounds, (name, round) => {
      if (name === names[0] && round % 50 === 0) say(`round ${round + 1} of ${rounds}`)
      return measure(name)
    })
    return toFindings(times, rounds)
  } finally {
    await functions.stop()
  }
}

function laneOf(kind: string, way: string): string {
  return `${kind}: ${way}`
}

async function oneAfterTheOther(send: () => Promise<unknown>): Promise<void> {
  for (let sent = 0; sent < STAGES; sent += 1) await send()
}

function toFindings(times: Record<string, number[]>, rounds: number): Findings {
  const of = (kind: string, way: string) => times[laneOf(kind, way)] ?? []
  const p50 = (kind: string, way: string) => median(of(kind, way))
  const overhead = (kind: string, way: string) => (p50(kind, way) - p50(kind, DIRECT)) / STAGES
  return {
    method:
      `${STAGES} times \`${KINDS['reading']?.path}\`, and \`${KINDS['writing']?.path}\`, by one caller without a network in between; ` +
      `${rounds} rounds in turn, medians. \`logos\` passes each stage on by HTTP, and the function runs its whole pipeline again. ` +
      'Overhead: what a stage costs more than the same call to its function, planning and the caller’s own request included.',
    table: {
      columns: ['what', 'p50 ms', 'p95 ms', 'of single calls to logos', 'overhead per stage, ms'],
      rows: Object.keys(KINDS).flatMap((kind) =>
        Object.keys(WAYS).map((way) => [
          laneOf(kind, way),
          show(p50(kind, way)),
          show(percentile(of(kind, way), 0.95)),
          ratio(p50(kind, way) / p50(kind, INVOKED)),
          way === DIRECT ? '-' : show(overhead(kind, way)),
        ]),
      ),
    },
  }
}
