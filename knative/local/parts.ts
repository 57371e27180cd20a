/** What each process of the platform is told: its program, its port, and no variable that it does not need. */
import { join } from 'node:path'
import { catalog } from '../../functions/catalog.ts'
import type { FunctionFacts } from '../../shared/contract/facts.ts'
import { eventSubject } from '../../shared/events/streams.ts'
import type { LocalConfig } from './config.ts'
import type { Infrastructure } from './infrastructure.ts'
import { publicSetOf, type Secrets } from './secrets.ts'

export interface Ports {
  gateway: number
  gatewayStatus: number
  ingress: number
  hub: number
  webhooks: number
  relay: number
  redisRest: number
  workers: number[]
}

export interface Part {
  name: string
  program: string
  port: number
  host: string
  env: Record<string, string>
  graceSeconds?: number
}

interface PlatformFacts {
  config: LocalConfig
  secrets: Secrets
  infrastructure: Infrastructure
  ports: Ports
}

/** Nothing but the gateway can be reached from elsewhere, and that only when it is told so. */
const LOOPBACK = '127.0.0.1'
const ISSUER = 'https://auth.kgents.io'
const AUDIENCE = 'https://api.kgents.io'

/** The parts that always run, in the order in which they start. */
export function partsOf(facts: PlatformFacts): Part[] {
  return [...redisRest(facts), relay(facts), hub(facts), webhooks(facts), ...workers(facts), gateway(facts)]
}

function redisRest({ secrets, infrastructure: { redis }, ports, config }: PlatformFacts): Part[] {
  if (redis === undefined || !('url' in redis)) return []
  const env = { REDIS_URL: redis.url, UPSTASH_REDIS_REST_TOKEN: secrets.redisRestToken }
  return [part('redis-rest', 'gateway/redis-rest/main.ts', ports.redisRest, config, env)]
}

function relay({ infrastructure, ports, config }: PlatformFacts): Part {
  return part('relay', 'knative/relay/main.ts', ports.relay, config, {
    RELAY_DATABASE_URLS: infrastructure.database.relay,
    NATS_URL: infrastructure.nats.relay,
    BROKER_SUBJECTS: subjectsOfTriggers().join(','),
    BROKER_URL: `http://127.0.0.1:${ports.ingress}/kgents/default`,
    ACK_WAIT_SECONDS: String(config.ACK_WAIT_SECONDS),
  })
}

/** On one machine all Triggers are known, and nothing is sent to the Broker that none of them wants. */
function subjectsOfTriggers(): string[] {
  const types = catalog.flatMap(({ subscriptions }) =>
    subscriptions.map(({ attributes }) => attributes['type'] ?? '>'),
  )
  return [...new Set(types)].map((type) => eventSubject('*', type))
}

function hub({ secrets, infrastructure, ports, config }: PlatformFacts): Part {
  return part('stream-hub', 'gateway/stream-hub/main.ts', ports.hub, config, {
    NATS_URL: infrastructure.nats.hub,
    PLATFORM_ISSUER: ISSUER,
    PLATFORM_AUDIENCE: AUDIENCE,
    PLATFORM_JWKS: publicSetOf(secrets.platformKey),
    CLUSTER_INGRESS: `127.0.0.1:${ports.ingress}`,
  })
}

function webhooks({ secrets, infrastructure, ports, config }: PlatformFacts): Part {
  return part('webhooks', 'gateway/webhooks/main.ts', ports.webhooks, config, {
    NATS_URL: infrastructure.nats.webhooks,
    WEBHOOK_SIGNING_KEY: secrets.webhookKey,
    WEBHOOK_RETRY_SECONDS: config.WEBHOOK_RETRY_SECONDS,
    EGRESS_PRIVATE_ALLOWED: config.EGRESS_PRIVATE_ALLOWED,
  })
}

function workers({ infrastructure, ports, config }: PlatformFacts): Part[] {
  const { inference, nats } = infrastructure
  if (inference.engine === 'none') return []
  const engine: Record<string, string | undefined> =
    inference.engine === 'llama-cpp'
      ? {
          ENGINE: 'llama-cpp',
          MODEL_PATH: inference.modelPath,
          EMBEDDING_MODEL_PATH: inference.embeddingModelPath,
          INFERENCE_THREADS: config.INFERENCE_THREADS,
        }
      : {
          ENGINE: 'openai',
          INFERENCE_BASE_URL: inference.baseUrl,
          INFERENCE_API_KEY: config.INFERENCE_API_KEY,
          INFERENCE_MODEL: config.INFERENCE_MODEL,
          INFERENCE_EMBEDDING_MODEL: config.INFERENCE_EMBEDDING_MODEL,
        }
  const env = { NATS_URL: nats.worker, ACK_WAIT_SECONDS: String(config.ACK_WAIT_SECONDS), ...engine }
  return Array.from({ length: config.WORKERS }, (_, at) => ({
    ...part(`worker-${at + 1}`, 'gpu-workers/main.ts', ports.workers[at] ?? 0, config, env),
    graceSeconds: 30,
  }))
}

function gateway({ secrets, ports, config }: PlatformFacts): Part {
  return part('gateway', 'gateway/local/main.ts', ports.gateway, config, {
    HOST: config.HOST,
    STATUS_PORT: String(ports.gatewayStatus),
    KONG_CONFIG: 'gateway/kong/kong.yaml',
    PLATFORM_JWKS: publicSetOf(secrets.platformKey),
    CLUSTER_INGRESS: `127.0.0.1:${ports.ingress}`,
    STATIC_HOSTS: JSON.stringify({ 'stream-hub.kgents.svc.cluster.local': `127.0.0.1:${ports.hub}` }),
  })
}

function part(
  name: string,
  program: string,
  port: number,
  { LOG_LEVEL }: LocalConfig,
  env: Record<string, string | undefined>,
): Part {
  const own = present({ LOG_LEVEL, HOST: LOOPBACK, PORT: String(port), ...env })
  return { name, program, port, host: own['HOST'] ?? LOOPBACK, env: own }
}

/** The environment of one function: what its contract asks for, and of the secrets only its own. */
export function functionEnvironment(definition: FunctionFacts, facts: PlatformFacts): Record<string, string> {
  const { secrets, infrastructure, ports, config } = facts
  const { redis, nats, inference } = infrastructure
  const all: Record<string, string | undefined> = {
    DATABASE_URL: infrastructure.database.app,
    EVENT_SIGNING_KEY: secrets.eventKey,
    TOOL_SECRET_KEY: secrets.toolKey,
    WEBHOOK_SIGNING_KEY: secrets.webhookKey,
    PLATFORM_SIGNING_KEY: JSON.stringify(secrets.platformKey),
    DISPATCH_SIGNING_KEY: JSON.stringify(secrets.dispatchKey),
  }
  const rest = redis === undefined || 'restUrl' in redis ? redis : undefined
  return present({
    ...Object.fromEntries(definition.secrets.map((name) => [name, all[name]])),
    LOG_LEVEL: config.LOG_LEVEL,
    FUNCTION: definition.name,
    HOST: LOOPBACK,
    DATABASE_PREPARE: 'on',
    NODE_COMPILE_CACHE: join(config.KGENTS_STATE, 'compile-cache'),
    UPSTASH_REDIS_REST_URL: rest?.restUrl ?? `http://127.0.0.1:${ports.redisRest}`,
    UPSTASH_REDIS_REST_TOKEN: rest?.restToken ?? secrets.redisRestToken,
    PLATFORM_ISSUER: ISSUER,
    PLATFORM_AUDIENCE: AUDIENCE,
    PLATFORM_JWKS: publicSetOf(secrets.platformKey),
    DISPATCH_JWKS: publicSetOf(secrets.dispatchKey),
    EGRESS_PRIVATE_ALLOWED: config.EGRESS_PRIVATE_ALLOWED,
    INFERENCE_UNAVAILABLE: inference.engine === 'none' ? inference.reason : undefined,
    CLUSTER_INGRESS: `127.0.0.1:${ports.ingress}`,
    NATS_MONITORING_URL: nats.monitoring,
  })
}

function present(env: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}
