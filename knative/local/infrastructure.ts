/**
 * The servers that the platform stands on: each is taken from the environment where that names one, and otherwise
 * started here.
 */
import type { Component } from '../../shared/contract/component.ts'
import { allowLogin, migrate } from '../../shared/database/migrate.ts'
import { migrateSilos } from '../../shared/database/silo-databases.ts'
import { inherited, type LocalConfig } from './config.ts'
import { natsUsersOf } from '../nats-users.ts'
import { ensureLogin, loginUrl } from './database-logins.ts'
import { keepRunning, type RunningServer } from './keep-running.ts'
import type { Progress } from './progress.ts'
import type { Secrets } from './secrets.ts'
import { findDefaultEmbeddingModel, findDefaultModel } from './servers/model.ts'
import { startNats } from './servers/nats.ts'
import { findFreePorts } from './servers/ports.ts'
import { startPostgres } from './servers/postgres.ts'
import { startRedis } from './servers/redis.ts'
import type { ServerProcess } from './servers/server-process.ts'
import { cacheFolder } from './servers/wheels.ts'

export interface Infrastructure {
  database: { owner: string; app: string; relay: string; exporter: string }
  /** Each part has a user of its own. */
  nats: { urlOf(part: string): string; monitoring: string | undefined }
  /** An ordinary Redis that needs a REST front, or one that speaks REST itself. */
  redis: { url: string } | { restUrl: string; restToken: string } | undefined
  inference: Inference
  /** In the order of their start. */
  servers: Pick<RunningServer<ServerProcess>, 'stop'>[]
}

/** Called when a server starts or ends. */
export interface Watcher {
  onStart(server: ServerProcess): void
  onExit(server: ServerProcess, reason: string): void
}

/** What workers run, or why they cannot. */
export type Inference =
  | { engine: 'llama-cpp'; modelPath: string; embeddingModelPath: string | undefined }
  | { engine: 'openai'; baseUrl: string }
  | { engine: 'none'; reason: string; suggestion: string }

export async function startInfrastructure(
  components: readonly Component[],
  config: LocalConfig,
  secrets: Secrets,
  progress: Progress,
  watcher: Watcher,
): Promise<Infrastructure> {
  const servers: Pick<RunningServer<ServerProcess>, 'stop'>[] = []
  const [postgresPort = 0, natsPort = 0, natsMonitor = 0, redisPort = 0] = await findFreePorts(4)
  const state = config.KGENTS_STATE
  const env = inherited
  const fetching = { env, cache: cacheFolder(env), report: (text: string) => progress.note(text) }
  const { postgres, redis: redisPassword } = secrets.passwords
  const keep = async <T extends ServerProcess>(name: string, start: () => Promise<T>): Promise<T> => {
    const running = await progress.step(name, () =>
      keepRunning<T>({ start, pauseSeconds: config.RESTART_SECONDS, ...watcher }),
    )
    servers.push(running)
    return running.current
  }
  const [database, nats, redis, inference] = await Promise.all([
    config.DATABASE_URL ??
      keep('PostgreSQL', () => startPostgres({ state, port: postgresPort, password: postgres })).then(
        ({ url }) => url,
      ),
    natsOf(config, () => {
      const ports = { port: natsPort, monitoringPort: natsMonitor }
      return keep('NATS JetStream', () =>
        startNats({ state, ...ports, users: natsUsersOf(components), key: secrets.natsKey, ...fetching }),
      )
    }),
    redisOf(config, () =>
      keep('Redis', () => startRedis({ state, port: redisPort, password: redisPassword, ...fetching })),
    ),
    inferenceOf(config, {
      chat: () => progress.step('Model', () => findDefaultModel(fetching)),
      embedding: () => progress.step('Embedding model', () => findDefaultEmbeddingModel(fetching)),
      note: fetching.report,
    }),
  ])
  const logins = await progress.step('Schema', () => prepareDatabase(database, secrets, config))
  return { database: logins, nats, redis, inference, servers }
}

async function natsOf(
  { NATS_URL: url, NATS_MONITORING_URL: monitoring }: LocalConfig,
  start: () => Promise<Awaited<ReturnType<typeof startNats>>>,
): Promise<Infrastructure['nats']> {
  if (url !== undefined) return { urlOf: () => url, monitoring }
  const { urlOf, monitoringUrl } = await start()
  return { urlOf, monitoring: monitoringUrl }
}

async function redisOf(
  { UPSTASH_REDIS_REST_URL: restUrl, UPSTASH_REDIS_REST_TOKEN: restToken, REDIS_URL: url }: LocalConfig,
  start: () => Promise<{ url: string }>,
): Promise<Infrastructure['redis']> {
  if (restUrl !== undefined) return { restUrl, restToken: restToken ?? '' }
  return { url: url ?? (await start()).url }
}

/** How models are found that the environment does not name, and who is notified where that fails. */
interface Models {
  chat: () => ReturnType<typeof findDefaultModel>
  embedding: () => ReturnType<typeof findDefaultEmbeddingModel>
  note: (text: string) => void
}

async function inferenceOf(config: LocalConfig, models: Models): Promise<Inference> {
  const { INFERENCE_BASE_URL: baseUrl, INFERENCE: mode } = config
  if (mode === 'off') {
    const suggestion = 'Remove INFERENCE=off from the environment'
    return { engine: 'none', reason: 'INFERENCE is set to "off"', suggestion }
  }
  if (baseUrl !== undefined) return { engine: 'openai', baseUrl }
  const [model, embeddingModelPath] = await Promise.all([
    config.MODEL_PATH === undefined ? models.chat() : { path: config.MODEL_PATH },
    config.EMBEDDING_MODEL_PATH ?? embeddingModelOf(models),
  ])
  if (!('path' in model)) return { engine: 'none', ...model }
  return { engine: 'llama-cpp', modelPath: model.path, embeddingModelPath }
}

/** Text can be had without it: then jobs that want vectors fail, and say why. */
async function embeddingModelOf({ embedding, note }: Models): Promise<string | undefined> {
  const model = await embedding()
  if ('path' in model) return model.path
  note(`There is no embedding model: ${model.reason}. ${model.suggestion}`)
  return undefined
}

/** Brings the schema up to date and lets functions and relay log in as themselves, never as the owner. */
async function prepareDatabase(
  owner: string,
  { passwords }: Secrets,
  { DATABASE_URL: shared }: LocalConfig,
): Promise<Infrastructure['database']> {
  await migrate(owner)
  await migrateSilos(owner)
  const allow = shared === undefined ? allowLogin : ensureLogin
  await allow(owner, 'kgents_app', passwords.app)
  await allow(owner, 'kgents_relay', passwords.relayDatabase)
  await allow(owner, 'kgents_usage_exporter', passwords.exporterDatabase)
  return {
    owner,
    app: loginUrl(owner, 'kgents_app', passwords.app),
    relay: loginUrl(owner, 'kgents_relay', passwords.relayDatabase),
    exporter: loginUrl(owner, 'kgents_usage_exporter', passwords.exporterDatabase),
  }
}
