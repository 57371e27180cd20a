/** What the variables of processes are on this machine, and which of them each process gets: those that it declares. */
import { join } from 'node:path'
import { eventSubject } from '../../shared/nats/subjects.ts'
import { catalog } from '../../functions/catalog.ts'
import type { Component } from '../../shared/contract/component.ts'
import type { FunctionFacts } from '../../shared/contract/facts.ts'
import { secretsFor } from '../../shared/contract/needs.ts'
import { hostOf } from '../../shared/http/host-of.ts'
import { FunctionConfig } from '../../shared/runtime/config.ts'
import { addressOf, type LocalConfig } from './config.ts'
import type { Inference, Infrastructure } from './infrastructure.ts'
import { publicSetOf } from '../keys.ts'
import type { Secrets } from './secrets.ts'

export interface Ports {
  ingress: number
  gatewayStatus: number
  /** By the name of the process. */
  parts: ReadonlyMap<string, number>
}

export interface PlatformFacts {
  config: LocalConfig
  secrets: Secrets
  infrastructure: Infrastructure
  ports: Ports
}

type Values = Record<string, string | undefined>

/** Nothing but the gateway can be reached from elsewhere, and that only when its configuration says so. */
const LOOPBACK = '127.0.0.1'
const ISSUER = 'https://auth.kgents.io'
const AUDIENCE = 'https://api.kgents.io'

/** The environment of one part: what its contract names. */
export function componentEnvironment(
  { name, open, variables }: Component,
  port: number,
  facts: PlatformFacts,
): Record<string, string> {
  const values: Values = {
    ...settingsOf(facts),
    ...secretsOf(facts),
    PORT: String(port),
    NATS_URL: facts.infrastructure.nats.urlOf(name),
    ...(open ? { HOST: facts.config.HOST } : {}),
  }
  return present([
    ...variables.map((variable) => [variable.name, values[variable.name]] as const),
    ['NODE_COMPILE_CACHE', compileCacheOf(facts)],
  ])
}

/** The environment of one function: the settings of all, and of the secrets only those that it needs. */
export function functionEnvironment(
  { name, needs }: FunctionFacts,
  facts: PlatformFacts,
): Record<string, string> {
  const settings = settingsOf(facts)
  const values = secretsOf(facts)
  return present([
    ...Object.keys(FunctionConfig.shape).map((each) => [each, settings[each]] as const),
    ...secretsFor(needs).map((each) => [each, values[each]] as const),
    ['FUNCTION', name],
    ['NODE_COMPILE_CACHE', compileCacheOf(facts)],
  ])
}

/** Where Node keeps what it has compiled, for the next process that loads the same modules. */
function compileCacheOf({ config }: PlatformFacts): string {
  return config.NODE_COMPILE_CACHE ?? join(config.KGENTS_STATE, 'compile-cache')
}

function settingsOf({ config, secrets, infrastructure, ports }: PlatformFacts): Values {
  const { inference, nats } = infrastructure
  const rest = restOf(infrastructure)
  return {
    LOG_LEVEL: config.LOG_LEVEL,
    HOST: LOOPBACK,
    STATUS_PORT: String(ports.gatewayStatus),
    PLATFORM_ISSUER: ISSUER,
    PLATFORM_AUDIENCE: AUDIENCE,
    PLATFORM_JWKS: publicSetOf(secrets.platformKey),
    DISPATCH_JWKS: publicSetOf(secrets.dispatchKey),
    CLUSTER_INGRESS: `${LOOPBACK}:${ports.ingress}`,
    STATIC_HOSTS: JSON.stringify(hostsOf(ports)),
    BROKER_URL: `http://${LOOPBACK}:${ports.ingress}/kgents/default`,
    BROKER_SUBJECTS: subjectsOfTriggers().join(','),
    ACK_WAIT_SECONDS: String(config.ACK_WAIT_SECONDS),
    CLOCK_SECONDS: String(60 * config.KNATIVE_TIME_SCALE),
    WEBHOOK_RETRY_SECONDS: config.WEBHOOK_RETRY_SECONDS,
    STRIPE_API_URL: config.STRIPE_API_URL,
    STRIPE_AUTOMATIC_TAX: config.STRIPE_AUTOMATIC_TAX,
    CONSOLE_URL: config.CONSOLE_URL ?? `${addressOf(config)}/console`,
    EGRESS_PRIVATE_ALLOWED: config.EGRESS_PRIVATE_ALLOWED,
    OPENMETER_URL: config.OPENMETER_URL,
    LAGO_URL: config.LAGO_URL,
    DATABASE_PREPARE: 'on',
    UPSTASH_REDIS_REST_URL: rest?.restUrl ?? `http://${LOOPBACK}:${ports.parts.get('redis-rest')}`,
    NATS_MONITORING_URL: nats.monitoring,
    INFERENCE_UNAVAILABLE: inference.engine === 'none' ? inference.reason : undefined,
    MODEL_CATALOGUE: config.MODEL_CATALOGUE,
    ...engineSettings(inference, config),
  }
}

function secretsOf({ config, secrets, infrastructure }: PlatformFacts): Values {
  const { database, redis } = infrastructure
  return {
    DATABASE_URL: database.app,
    RELAY_DATABASE_URLS: database.relay,
    EXPORTER_DATABASE_URLS: database.exporter,
    OPENMETER_API_KEY: config.OPENMETER_API_KEY,
    LAGO_API_KEY: config.LAGO_API_KEY,
    MOVER_DATABASE_URL: database.owner,
    REDIS_URL: redis !== undefined && 'url' in redis ? redis.url : undefined,
    UPSTASH_REDIS_REST_TOKEN: restOf(infrastructure)?.restToken ?? secrets.redisRestToken,
    EVENT_SIGNING_KEY: secrets.eventKey,
    TOOL_SECRET_KEY: secrets.toolKey,
    WEBHOOK_SIGNING_KEY: secrets.webhookKey,
    PLATFORM_SIGNING_KEY: JSON.stringify(secrets.platformKey),
    DISPATCH_SIGNING_KEY: JSON.stringify(secrets.dispatchKey),
    INFERENCE_API_KEY: config.INFERENCE_API_KEY,
    STRIPE_API_KEY: config.STRIPE_API_KEY,
    STRIPE_WEBHOOK_SECRET: config.STRIPE_WEBHOOK_SECRET,
  }
}

/** A Redis that speaks REST itself. */
function restOf({ redis }: Infrastructure) {
  return redis !== undefined && 'restUrl' in redis ? redis : undefined
}

function engineSettings(inference: Inference, config: LocalConfig): Values {
  if (inference.engine === 'none') return {}
  if (inference.engine === 'llama-cpp') {
    const { engine: ENGINE, modelPath: MODEL_PATH, embeddingModelPath: EMBEDDING_MODEL_PATH } = inference
    return { ENGINE, MODEL_PATH, EMBEDDING_MODEL_PATH, INFERENCE_THREADS: config.INFERENCE_THREADS }
  }
  return {
    ENGINE: inference.engine,
    INFERENCE_BASE_URL: inference.baseUrl,
    INFERENCE_MODEL: config.INFERENCE_MODEL,
    INFERENCE_EMBEDDING_MODEL: config.INFERENCE_EMBEDDING_MODEL,
    INFERENCE_SERVER_NAMES: config.INFERENCE_SERVER_NAMES,
    INFERENCE_CAN_CONTINUE: config.INFERENCE_CAN_CONTINUE,
  }
}

/** On one machine all Triggers are known, and nothing is sent to the Broker that none of them wants. */
function subjectsOfTriggers(): string[] {
  const types = catalog.flatMap(({ triggers }) => triggers.map(({ attributes }) => attributes['type'] ?? '>'))
  return [...new Set(types)].map((type) => eventSubject('*', type))
}

/** The cluster names of parts. */
function hostsOf({ parts }: Ports): Record<string, string> {
  return Object.fromEntries([...parts].map(([name, port]) => [hostOf(name), `${LOOPBACK}:${port}`]))
}

function present(entries: readonly (readonly [string, string | undefined])[]): Record<string, string> {
  return Object.fromEntries(entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}
