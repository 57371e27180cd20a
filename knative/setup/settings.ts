/**
 * What a new cluster is given once: every secret and setting that contracts name, with keys and passwords that are made here,
 * for the platform and for the servers that our components bring. Objects of Kubernetes, for an operator to apply and to keep.
 */
import type { Component } from '../../shared/contract/component.ts'
import { createApiKey } from '../../shared/identity/api-keys.ts'
import { publicSetOf, randomSecret } from '../keys.ts'
import { loginUrl } from '../local/database-logins.ts'
import { secretKeyOf } from '../parts.ts'
import { DEFAULT_TARGET, SECRETS_NAME, SETTINGS_NAME, SETUP_NAME } from '../target.ts'
import { addTo, NOTHING, type Kept, type SettingsObject } from './kept.ts'
import { makeSecrets, type Made } from './made.ts'
import { configMap, secret } from './objects.ts'
import * as own from './own-servers.ts'

/** A server that is absent is the one of our components, and gets all that it reads. */
export interface ClusterServers {
  /** Of the owner of the database. */
  databaseUrl?: string
  /** Direct connections for the relay and the setup Job, where `databaseUrl` goes through a pooler. */
  relayDatabaseUrl?: string
  /** Whether functions reach a database that is given through the component `pgbouncer`, as they reach our own. */
  pooler?: boolean
  /** Without user and password. */
  natsUrl?: string
  natsReplicas?: number
  redisUrl?: string
  /** An OpenAI-compatible server, its model, and its key where it wants one; absent is the component `ollama`. */
  inference?: { url?: string; model?: string; key?: string }
  /** Object storage with the protocol of S3; without an endpoint it is AWS. */
  backups?: { bucket: string; endpoint?: string; region: string; keyId: string; key: string }
}

export interface FirstTenant {
  slug?: string
  /** E-mail address of its admin. */
  admin?: string
}

export interface ClusterSettings {
  objects: SettingsObject[]
  /** Of the first tenant's admin; nothing else holds it. Absent where `kept` had one. */
  apiKey?: string
}

const { namespace } = DEFAULT_TARGET

/**
 * Makes what `kept` does not have. What it has stays: keys, passwords, and whatever was added or changed by hand. A server
 * or setting that is given replaces its own.
 */
export async function createClusterSettings(
  components: readonly Component[],
  given: ClusterServers,
  tenant: FirstTenant,
  kept: Kept = NOTHING,
): Promise<ClusterSettings> {
  const parts = components.filter(({ nats }) => nats !== undefined)
  const made = await makeSecrets(own.natsLogins(components), kept)
  const servers = resolve(given, made, kept)
  const { key, prefix, hash } = createApiKey()
  const objects = [
    secret(SECRETS_NAME, secretsOf(parts, servers, given, made)),
    secret(SETUP_NAME, {
      DATABASE_OWNER_URL: servers.directUrl,
      APP_PASSWORD: made.passwords.app,
      RELAY_PASSWORD: made.passwords.relay,
      EXPORTER_PASSWORD: made.passwords.exporter,
      ...present({ FIRST_TENANT: tenant.slug, FIRST_ADMIN: tenant.admin }),
      FIRST_API_KEY_PREFIX: prefix,
      FIRST_API_KEY_HASH: hash.toString('base64url'),
    }),
    configMap(SETTINGS_NAME, settingsOf(servers, given, made)),
    ...(servers.ownsPostgres ? [own.postgresSecret(made.passwords.owner)] : []),
    ...(servers.isPooled ? [own.poolerSecret(servers.directUrl, made.passwords.app)] : []),
    ...(servers.ownsNats ? own.natsObjects(made.natsPasswords) : []),
    ...(servers.ownsRedis ? [own.redisSecret(made.passwords.redis)] : []),
    ...backupStoreOf(given.backups),
  ]
  const isNew = kept.value(namespace, SETUP_NAME, 'FIRST_API_KEY_HASH') === undefined
  return { objects: addTo(kept, objects, replacedBy(given, tenant)), ...(isNew ? { apiKey: key } : {}) }
}

/** Where everything is, and what of it our components bring. */
interface Resolved {
  databaseUrl: string
  directUrl: string
  natsUrl: string
  redisUrl: string
  ownsPostgres: boolean
  isPooled: boolean
  ownsNats: boolean
  ownsRedis: boolean
}

function resolve(given: ClusterServers, { passwords }: Made, kept: Kept): Resolved {
  /** Nobody says where it is, and nobody said it before. */
  const owns = (url: string | undefined, where: string, name: string) =>
    url === undefined && (kept.objects.length === 0 || kept.has(where, name))
  const { databaseUrl, relayDatabaseUrl, pooler = false } = given
  const directUrl =
    relayDatabaseUrl ??
    databaseUrl ??
    kept.value(namespace, SETUP_NAME, 'DATABASE_OWNER_URL') ??
    own.postgresUrl(passwords.owner)
  const ownsPostgres = owns(databaseUrl, own.DATA_NAMESPACE, own.POSTGRES_NAME)
  const isPooled =
    ownsPostgres || pooler || (databaseUrl === undefined && kept.has(own.DATA_NAMESPACE, own.POOLER_NAME))
  return {
    databaseUrl: isPooled ? own.poolerUrl(directUrl) : (databaseUrl ?? directUrl),
    directUrl,
    natsUrl: given.natsUrl ?? kept.value(namespace, SECRETS_NAME, 'RELAY_NATS_URL') ?? own.NATS_URL,
    redisUrl: given.redisUrl ?? own.redisUrl(passwords.redis),
    ownsPostgres,
    isPooled,
    ownsNats: owns(given.natsUrl, own.NATS_NAMESPACE, own.NATS_PASSWORDS_NAME),
    ownsRedis: owns(given.redisUrl, own.DATA_NAMESPACE, own.REDIS_NAME),
  }
}

function secretsOf(
  parts: readonly Component[],
  servers: Resolved,
  { inference }: ClusterServers,
  made: Made,
): Record<string, string> {
  return {
    DATABASE_URL: loginUrl(servers.databaseUrl, 'kgents_app', made.passwords.app),
    RELAY_DATABASE_URLS: loginUrl(servers.directUrl, 'kgents_relay', made.passwords.relay),
    EXPORTER_DATABASE_URLS: loginUrl(servers.directUrl, 'kgents_usage_exporter', made.passwords.exporter),
    // Taken away by an operator where no tenant is to have a database of its own.
    MOVER_DATABASE_URL: servers.directUrl,
    REDIS_URL: servers.redisUrl,
    UPSTASH_REDIS_REST_TOKEN: randomSecret(),
    EVENT_SIGNING_KEY: randomSecret(),
    TOOL_SECRET_KEY: randomSecret(),
    WEBHOOK_SIGNING_KEY: randomSecret(),
    PLATFORM_SIGNING_KEY: JSON.stringify(made.platformKey),
    DISPATCH_SIGNING_KEY: JSON.stringify(made.dispatchKey),
    ...Object.fromEntries(
      parts.map((part) => [
        secretKeyOf(part, 'NATS_URL'),
        loginUrl(servers.natsUrl, part.name, made.natsPasswords.get(part.name) ?? ''),
      ]),
    ),
    ...present({ INFERENCE_API_KEY: inference?.key }),
  }
}

function settingsOf(
  { ownsNats }: Resolved,
  { natsReplicas = 3, inference }: ClusterServers,
  made: Made,
): Record<string, string> {
  return {
    PLATFORM_JWKS: publicSetOf(made.platformKey),
    DISPATCH_JWKS: publicSetOf(made.dispatchKey),
    UPSTASH_REDIS_REST_URL: `http://redis-rest.${namespace}.svc.cluster.local`,
    STREAM_REPLICAS: String(natsReplicas),
    INFERENCE_BASE_URL: inference?.url ?? own.OLLAMA.url,
    INFERENCE_MODEL: inference?.model ?? own.OLLAMA.model,
    ...(ownsNats ? { NATS_MONITORING_URL: own.NATS_MONITORING_URL } : {}),
  }
}

/** Where backups of NATS and PostgreSQL go, in the namespace of each. */
function backupStoreOf(store: ClusterServers['backups']): SettingsObject[] {
  if (store === undefined) return []
  const values = {
    BUCKET: store.bucket,
    PROVIDER: store.endpoint === undefined ? 'AWS' : 'Other',
    REGION: store.region,
    ACCESS_KEY_ID: store.keyId,
    ACCESS_SECRET_KEY: store.key,
    ...present({ ENDPOINT: store.endpoint }),
  }
  return [own.DATA_NAMESPACE, own.NATS_NAMESPACE].map((where) => secret('kgents-backup-store', values, where))
}

/** The keys whose values follow from what is given now. */
function replacedBy(given: ClusterServers, tenant: FirstTenant): (key: string) => boolean {
  const replaced = new Set([
    // Whole files, in which a new user is a new line; the passwords of the others are those that were kept.
    'users.conf',
    'cluster.conf',
    ...(given.databaseUrl === undefined
      ? []
      : ['DATABASE_OWNER_URL', 'RELAY_DATABASE_URLS', 'EXPORTER_DATABASE_URLS', 'databases.ini']),
    ...(given.databaseUrl === undefined && given.pooler !== true ? [] : ['DATABASE_URL']),
    ...(given.relayDatabaseUrl === undefined
      ? []
      : ['DATABASE_OWNER_URL', 'RELAY_DATABASE_URLS', 'EXPORTER_DATABASE_URLS']),
    ...(given.redisUrl === undefined ? [] : ['REDIS_URL']),
    ...(given.natsReplicas === undefined ? [] : ['STREAM_REPLICAS']),
    ...(given.inference?.url === undefined ? [] : ['INFERENCE_BASE_URL']),
    ...(given.inference?.model === undefined ? [] : ['INFERENCE_MODEL']),
    ...(given.inference?.key === undefined ? [] : ['INFERENCE_API_KEY']),
    ...(tenant.slug === undefined ? [] : ['FIRST_TENANT']),
    ...(tenant.admin === undefined ? [] : ['FIRST_ADMIN']),
    ...(given.backups === undefined
      ? []
      : ['BUCKET', 'PROVIDER', 'REGION', 'ACCESS_KEY_ID', 'ACCESS_SECRET_KEY', 'ENDPOINT']),
  ])
  return (key) => replaced.has(key) || (given.natsUrl !== undefined && key.endsWith('_NATS_URL'))
}

/** Those that have a value. */
function present(values: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
