/**
 * Starts a worker from the environment.
 *
 * SIGTERM: no new jobs, DRAIN_SECONDS for those that are running, then they are handed over. Give the process a
 * little longer than that before it is killed.
 */
import { createServer } from 'node:http'
import { z } from 'zod'
import { LogSettings, Port, readConfig } from '../shared/config.ts'
import { openNats } from '../shared/events/nats.ts'
import { createLog, type Log } from '../shared/telemetry/log.ts'
import { METRICS_HEADERS } from '../shared/telemetry/metrics.ts'
import type { Engine } from './engines/engine.ts'
import type { Server } from './engines/openai-compatible.ts'
import { watchLink } from './link.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { openWorker } from './worker.ts'

const Seconds = z.coerce.number().positive()
const Count = z.coerce.number().int().positive()
const List = z.string().transform((text) => text.split(',').map((part) => part.trim()))

const Common = z.object({
  ...LogSettings.shape,
  NATS_URL: z.string(),
  PORT: Port.optional(),
  HOST: z.string().default('0.0.0.0'),
  ACK_WAIT_SECONDS: Seconds.default(15),
  DRAIN_SECONDS: z.coerce.number().min(0).default(25),
  STALL_SECONDS: Seconds.default(120),
  INFERENCE_CONCURRENCY: Count.default(1),
})

const LlamaCpp = Common.extend({
  ENGINE: z.literal('llama-cpp'),
  MODEL_PATH: z.string(),
  EMBEDDING_MODEL_PATH: z.string().optional(),
  INFERENCE_THREADS: Count.optional(),
  INFERENCE_GPU: z.enum(['auto', 'cuda', 'vulkan', 'metal', 'none']).default('auto'),
  INFERENCE_CONTEXT_TOKENS: Count.default(4096),
})

/** Lists, for several servers; a single model or key is good for all of them. */
const OpenAi = Common.extend({
  ENGINE: z.literal('openai'),
  INFERENCE_BASE_URL: List.pipe(z.tuple([z.url()], z.url())),
  INFERENCE_MODEL: List.pipe(z.tuple([z.string().min(1)], z.string().min(1))),
  INFERENCE_API_KEY: List.optional(),
  INFERENCE_EMBEDDING_MODEL: z.string().min(1).optional(),
  /** Whether the servers are vLLM, or know its `continue_final_message`. */
  INFERENCE_CAN_CONTINUE: z.stringbool().default(false),
})

const Settings = z.discriminatedUnion('ENGINE', [LlamaCpp, OpenAi])
type Settings = z.infer<typeof Settings>

/** The inbox that the permissions of workers name. */
const INBOX_PREFIX = '_INBOX_worker'

const settings = readConfig(Settings, {
  ENGINE: process.env['INFERENCE_BASE_URL'] === undefined ? 'llama-cpp' : 'openai',
  ...process.env,
})
const log = createLog('gpu-workers', settings.LOG_LEVEL)
const metrics = createMetrics()
const server = settings.PORT === undefined ? undefined : serveMetrics(settings.PORT, settings.HOST, metrics)
const startedAt = performance.now()
const [nc, engine] = await Promise.all([
  openNats(settings.NATS_URL, 'kgents-worker', { inboxPrefix: INBOX_PREFIX }),
  openEngine(settings, log),
])
const worker = openWorker(
  { link: watchLink(nc, INBOX_PREFIX), engine, log, metrics },
  {
    ackWaitSeconds: settings.ACK_WAIT_SECONDS,
    drainSeconds: settings.DRAIN_SECONDS,
    stallSeconds: settings.STALL_SECONDS,
  },
)
log.info(
  { engine: engine.name, model: engine.model, seconds: (performance.now() - startedAt) / 1000 },
  'worker started',
)

let closing: Promise<void> | undefined
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => (closing ??= close()))
}

async function close(): Promise<void> {
  log.info({ running: metrics.running }, 'worker stops')
  await worker.close()
  await nc.close()
  await engine.close()
  server?.close()
  server?.closeAllConnections()
}

/** Imports only the engine that is used: llama.cpp's bindings take half a second and are optional. */
async function openEngine(settings: Settings, log: Log): Promise<Engine> {
  const concurrency = settings.INFERENCE_CONCURRENCY
  if (settings.ENGINE === 'openai') {
    const { createOpenAiCompatible } = await import('./engines/openai-compatible.ts')
    const canContinue = settings.INFERENCE_CAN_CONTINUE
    const { INFERENCE_EMBEDDING_MODEL: embeddingModel } = settings
    return createOpenAiCompatible({
      servers: serversOf(settings),
      concurrency,
      canContinue,
      ...(embeddingModel === undefined ? {} : { embeddingModel }),
    })
  }
  const { EMBEDDING_MODEL_PATH: embeddingModelPath } = settings
  const { openLlamaCpp } = await import('./engines/llama-cpp.ts')
  return openLlamaCpp({
    modelPath: settings.MODEL_PATH,
    concurrency,
    contextTokens: settings.INFERENCE_CONTEXT_TOKENS,
    gpu: settings.INFERENCE_GPU === 'none' ? false : settings.INFERENCE_GPU,
    ...(embeddingModelPath === undefined ? {} : { embeddingModelPath }),
    ...(settings.INFERENCE_THREADS === undefined ? {} : { threads: settings.INFERENCE_THREADS }),
    warn: (message) => log.warn(message),
  })
}

function serversOf(settings: z.infer<typeof OpenAi>): [Server, ...Server[]] {
  const [url, ...urls] = settings.INFERENCE_BASE_URL
  const [model, ...models] = settings.INFERENCE_MODEL
  const [key, ...keys] = settings.INFERENCE_API_KEY ?? []
  const server = (baseUrl: string, model: string, apiKey = '') => ({
    baseUrl,
    model,
    ...(apiKey && { apiKey }),
  })
  const others = urls.map((url, index) => server(url, models[index] ?? model, keys[index] ?? key))
  return [server(url, model, key), ...others]
}

/** Alive as long as it answers; being without NATS for a while is no reason to be restarted. */
function serveMetrics(port: number, host: string, metrics: Metrics) {
  const answers = new Map([
    ['/health/live', async () => 'ok\n'],
    ['/metrics', () => metrics.render()],
  ])
  return createServer(async (request, response) => {
    const answer = answers.get(request.url ?? '')
    const text = (await answer?.()) ?? 'not found\n'
    response.writeHead(answer === undefined ? 404 : 200, METRICS_HEADERS).end(text)
  }).listen(port, host)
}
