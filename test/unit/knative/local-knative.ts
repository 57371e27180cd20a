/** The stand-in for tests: functions that do what their URL says (test/fixtures/pod-server.ts), and fast clocks. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { test as base } from 'vitest'
import { brokerOf, servicesOf, triggersOf, type Deployable } from '../../../knative/manifests.ts'
import type { Delivery, EventFilter, Trigger } from '../../../knative/objects.ts'
import { startKnative, type Knative, type KnativeOptions } from '../../../knative/local/platform.ts'

const FUNCTION = fileURLToPath(new URL('../../fixtures/pod-server.ts', import.meta.url))

/** Knative's minute is over in 1.2 s. */
const TIME_SCALE = 0.02

interface Setup {
  scale?: Partial<Deployable['scale']>
  annotations?: Record<string, string>
  /** Triggers of the one function, `hello`. */
  triggers?: { filters: EventFilter[]; delivery?: Delivery; uri?: string }[]
  environment?: Record<string, string>
  stateFolder?: string
  timeScale?: number
  podCapacity?: number
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

interface Call {
  host?: string
  method?: string
  path?: string
  headers?: Record<string, string>
  body?: string | Buffer
  signal?: AbortSignal
}

export interface World {
  stateFolder: string
  start(setup?: Setup): Promise<Running>
}

export interface Running extends Knative {
  /** Calls function `hello`, unless it says another host. */
  call(call?: Call): Promise<Answer>
  /** Scalings so far, as `from->to`. */
  scalings: string[]
  /** What the function `hello` printed, parsed. */
  printed(): Promise<{ at: number; headers: Record<string, string>; data: Record<string, unknown> }[]>
  pids(): number[]
}

export const test = base.extend<{ world: World }>({
  // oxlint-disable-next-line no-empty-pattern -- reason: vitest reads from the pattern that no fixture is needed
  async world({}, use) {
    const stateFolder = await mkdtemp(join(tmpdir(), 'kgents-knative-'))
    const running: Knative[] = []
    await use({
      stateFolder,
      async start(setup = {}) {
        const knative = await start({ stateFolder, ...setup })
        running.push(knative)
        return knative
      },
    })
    await Promise.all(running.map((each) => each.close()))
    await rm(stateFolder, { recursive: true })
  },
})

async function start(setup: Setup & { stateFolder: string }): Promise<Running> {
  const scalings: string[] = []
  const definition: Deployable = {
    name: 'hello',
    needs: [],
    scale: {
      containerConcurrency: 0,
      timeoutSeconds: 20,
      maxScale: 4,
      target: 100,
      targetBurstCapacity: 0,
      ...setup.scale,
    },
    triggers: [],
  }
  const services = servicesOf([definition])
  const template = services[0]?.spec.template
  Object.assign(template?.metadata.annotations ?? {}, setup.annotations)
  // Without the margin for the function's own deadline: it has none.
  Object.assign(template?.spec ?? {}, { timeoutSeconds: definition.scale.timeoutSeconds })
  const options: KnativeOptions = {
    services,
    triggers: (setup.triggers ?? []).map(toTrigger),
    broker: brokerOf([]),
    command: [process.execPath, FUNCTION],
    stateFolder: setup.stateFolder,
    timeScale: setup.timeScale ?? TIME_SCALE,
    port: 0,
    log: pino({ level: 'silent' }),
    environmentOf: () => setup.environment ?? {},
    onScale: (_name, from, to) => scalings.push(`${from}->${to}`),
    ...(setup.podCapacity === undefined ? {} : { podCapacity: setup.podCapacity }),
  }
  const knative = await startKnative(options)
  let closed: Promise<void> | undefined
  return {
    port: knative.port,
    status: knative.status,
    scalings,
    close: () => (closed ??= knative.close()),
    call: (call = {}) => send(knative.port, call),
    printed: async () => {
      const text = await readFile(join(setup.stateFolder, 'logs', 'hello.log'), 'utf8')
      return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
    },
    pids: () => (knative.status().functions.hello?.pods ?? []).flatMap(({ pid }) => pid ?? []),
  }
}

function toTrigger(
  { filters, delivery, uri }: NonNullable<Setup['triggers']>[number],
  index: number,
): Trigger {
  const [trigger] = triggersOf([
    {
      name: 'hello',
      needs: [],
      scale: {
        containerConcurrency: 0,
        timeoutSeconds: 20,
        maxScale: 4,
        target: 100,
        targetBurstCapacity: 0,
      },
      triggers: [{ name: `trigger-${index}`, attributes: {} }],
    },
  ])
  if (trigger === undefined) throw new TypeError('no trigger')
  const { spec } = trigger
  spec.filters = filters
  if (delivery !== undefined) spec.delivery = delivery
  if (uri !== undefined) spec.subscriber = { ...spec.subscriber, uri }
  return trigger
}

function send(
  port: number,
  { host = 'hello', method = 'GET', path = '/echo', ...call }: Call,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      port,
      host: '127.0.0.1',
      method,
      path,
      headers: { host, ...call.headers },
      signal: call.signal,
    }
    const request = httpRequest(options, async (response) => {
      try {
        let body = ''
        for await (const chunk of response.setEncoding('utf8')) body += String(chunk)
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
      } catch (error) {
        reject(error)
      }
    })
    request.once('error', reject)
    request.end(call.body)
  })
}
