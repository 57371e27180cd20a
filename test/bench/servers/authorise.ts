/**
 * Runs what stands before and behind a handler, without one: who calls, what it may, whether the plan has it, and the record of
 * the call. Takes orders by IPC, one at a time, and answers with the CPU time of this process for each.
 *
 * Arguments: the folder of the checkout that is measured, and the API keys of the callers in a JSON list.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type * as ConfigModule from '../../../shared/runtime/config.ts'
import type * as RuntimeModule from '../../../shared/runtime/create-runtime.ts'
import type * as LoadersModule from '../../../functions/loaders.ts'
import type { Invocation, Request } from '../../../shared/pipeline/invocation.ts'
import type { Order, Part, Used } from '../authorise-order.ts'

type Step = (invocation: Invocation) => Promise<void>

const [root = '', keys = '[]'] = process.argv.slice(2)
const callers = JSON.parse(keys) as string[]
const load = async <T>(file: string) => (await import(pathToFileURL(join(root, file)).href)) as T
const { FunctionConfig } = await load<typeof ConfigModule>('shared/runtime/config.ts')
const { openRuntime } = await load<typeof RuntimeModule>('shared/runtime/create-runtime.ts')
const { loaders } = await load<typeof LoadersModule>('functions/loaders.ts')
const steps = await load<Record<string, Step | undefined>>('shared/pipeline/steps.ts')

const config = FunctionConfig.parse({
  FUNCTION: 'void-entropy',
  LOG_LEVEL: 'silent',
  DATABASE_URL: process.env['DATABASE_URL'],
  DATABASE_PREPARE: 'on',
  PLATFORM_JWKS: '{"keys":[]}',
  DISPATCH_JWKS: '{"keys":[]}',
  EVENT_SIGNING_KEY: randomBytes(32).toString('base64url'),
})
const { runtime } = await openRuntime(config, loaders)
const [definition] = runtime.functions
const endpoint = definition?.endpoints.find(({ aspect }) => aspect?.verb === 'manifest')
if (definition === undefined || endpoint?.aspect === undefined)
  throw new TypeError('There is nothing to call')
const { aspect } = endpoint

/** A checkout may lack a step: what it stands for costs nothing there. */
const named = (...names: string[]) => names.flatMap((name) => steps[name] ?? [])
const AUTHORISE = named('authenticate', 'observe', 'checkAffordance', 'checkPermission', 'checkScopes')
const ENTITLE = named('authenticate', 'limitRate', 'countCall', ...AUTHORISE.slice(1).map(({ name }) => name))
const STEPS: Record<Part, readonly Step[]> = {
  nothing: [],
  authorise: AUTHORISE,
  entitle: ENTITLE,
  meter: ENTITLE,
}

async function callOnce(part: Part, at: number): Promise<void> {
  const request: Request = {
    endpoint,
    function: definition,
    path: aspect.path,
    credential: { kind: 'api-key', key: callers[at % callers.length] ?? '' },
    readInput: async () => ({}),
    trace: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', sampled: false },
    deadline: { signal: new AbortController().signal } as Request['deadline'], // reason: no step looks at it
    answerHeaders: {},
  } as Request
  const startedAt = Date.now()
  const invocation: Invocation = { request, runtime, startedAt, id: crypto.randomUUID() }
  for (const step of STEPS[part]) await step(invocation)
  const { identity } = invocation
  if (part !== 'meter' || identity === undefined) return
  const { tenant, tier, user } = identity
  runtime.recorder.record({
    id: invocation.id,
    aspect,
    function: definition?.name ?? '',
    tenant,
    tier,
    user,
    archetype: 'developer',
    traceId: request.trace.traceId,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    startedAt,
    endedAt: Date.now(),
    outcome: 'success',
    charges: {},
  })
}

/** At an even rate, since what is written and read in the background is shared by all calls of its time. */
async function obey({ part, calls, perSecond }: Order): Promise<Used> {
  const before = process.cpuUsage()
  const startedAt = performance.now()
  for (let done = 0; done < calls;) {
    const due = Math.min(calls, Math.ceil(((performance.now() - startedAt) / 1000) * perSecond))
    while (done < due) {
      await callOnce(part, done)
      done += 1
    }
    await delay(2)
  }
  await runtime.recorder.flush()
  const { user, system } = process.cpuUsage(before)
  return { cpu: user + system }
}

process.on('message', (order: Order) => {
  obey(order).then(
    (used) => process.send?.(used),
    (error: unknown) => {
      throw error
    },
  )
})
process.send?.({ cpu: 0 } satisfies Used)
