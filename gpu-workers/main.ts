/**
 * Starts a worker from the environment.
 *
 * SIGTERM: no new jobs, DRAIN_SECONDS for those that are running, then they are handed over. Give the process a
 * little longer than that before it is killed.
 */
import { readEnvironment } from '../shared/config.ts'
import { openStatusServer } from '../shared/http/status.ts'
import { createLog, type Log } from '../shared/telemetry/log.ts'
import { gpuWorker, type WorkerEnvironment } from './component.ts'
import type { Engine } from './engines/engine.ts'
import type { Server } from './engines/openai-compatible.ts'
import { setCatalogue } from '../shared/models/catalogue.ts'
import type { Model } from '../shared/models/model.ts'
import { openNatsLink } from '../shared/nats/link.ts'
import { startTracing } from '../shared/telemetry/spans.ts'
import { createMetrics } from './metrics.ts'
import { openWorker } from './worker.ts'

const settings = readEnvironment(gpuWorker)
const log = createLog(gpuWorker.name, settings.LOG_LEVEL)
setCatalogue(settings.MODEL_CATALOGUE)
const metrics = createMetrics(() => opened?.concurrency ?? 0)
const { OTEL_EXPORTER_OTLP_ENDPOINT: collector } = settings
const stopTracing = collector === undefined ? undefined : await startTracing(gpuWorker.name, collector)
const link = openNatsLink(settings.NATS_URL, gpuWorker.name)
let opened: Engine | undefined
const server = await openStatusServer(settings, {
  dependencies: () => ({ nats: link.nc !== undefined, engine: opened !== undefined }),
  metrics: () => metrics.render(),
})
const startedAt = performance.now()
const engine = await openEngine(settings, log)
opened = engine
await link.ready()
const worker = openWorker(
  { link, engine, log, metrics },
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
  await link.close()
  await engine.close()
  await stopTracing?.()
  server.close()
  server.closeAllConnections()
}

/** Imports only the engine that is used: llama.cpp's bindings take half a second and are optional. */
async function openEngine(settings: WorkerEnvironment, log: Log): Promise<Engine> {
  const concurrency = settings.INFERENCE_CONCURRENCY
  if (settings.ENGINE === 'openai') {
    const { createOpenAiCompatible } = await import('./engines/openai-compatible.ts')
    const servers = serversOf(settings)
    const { INFERENCE_EMBEDDING_MODEL: embeddingModel } = settings
    return createOpenAiCompatible({
      servers,
      concurrency,
      silentSeconds: settings.STALL_SECONDS / servers.length,
      onFailure: (server, failure) => log.warn({ err: failure, server }, 'a model server did not answer'),
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

function serversOf(settings: Extract<WorkerEnvironment, { ENGINE: 'openai' }>): [Server, ...Server[]] {
  const [url, ...urls] = settings.INFERENCE_BASE_URL
  const { INFERENCE_MODEL: models, INFERENCE_API_KEY: keys = [], INFERENCE_SERVER_NAMES: names } = settings
  const server = (baseUrl: string, at: number): Server => {
    const name = names?.[at] ?? (urls.length === 0 ? undefined : `server-${at + 1}`)
    const apiKey = keys[at] ?? keys[0] ?? ''
    const served = name === undefined ? undefined : modelsOf(name, settings.MODEL_CATALOGUE ?? [])
    return {
      baseUrl,
      model: models[at] ?? models[0],
      canContinue: settings.INFERENCE_CAN_CONTINUE[at] ?? settings.INFERENCE_CAN_CONTINUE[0] ?? false,
      ...(name === undefined ? {} : { name }),
      ...(served === undefined ? {} : { models: served }),
      ...(apiKey === '' ? {} : { apiKey }),
    }
  }
  return [server(url, 0), ...urls.map((each, index) => server(each, index + 1))]
}

/** Models that the catalogue has on a server, with their names there. */
function modelsOf(server: string, models: readonly Model[]): Map<string, string> {
  return new Map(
    models.flatMap(({ id, servers = [] }) =>
      servers.filter(({ name }) => name === server).map(({ model }) => [id, model] as const),
    ),
  )
}
