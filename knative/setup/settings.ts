/**
 * What a new cluster is given once: every secret and setting that contracts name, with keys and passwords that are made here.
 * Objects of Kubernetes, for an operator to apply and to keep.
 */
import type { Component } from '../../shared/contract/component.ts'
import { createApiKey } from '../../shared/identity/api-keys.ts'
import { createSigningKey, publicSetOf, randomSecret, type Jwk } from '../keys.ts'
import { loginUrl } from '../local/database-logins.ts'
import { passwordVariableOf } from '../nats-users.ts'
import type { ConfigMap, Secret } from '../objects.ts'
import { secretKeyOf } from '../parts.ts'
import { DEFAULT_TARGET, PART_OF, SECRETS_NAME, SETTINGS_NAME, SETUP_NAME } from '../target.ts'

export interface ClusterServers {
  /** Of the owner of the database. */
  databaseUrl: string
  /** Direct connections for the relay, where `databaseUrl` goes through a pooler. */
  relayDatabaseUrl?: string
  /** Without user and password. */
  natsUrl: string
  natsReplicas: number
  redisUrl: string
  /** An OpenAI-compatible server, its model, and its key where it wants one. */
  inference: { url: string; model: string; key?: string }
}

export interface FirstTenant {
  slug: string
  /** E-mail address of its admin. */
  admin: string
}

export interface ClusterSettings {
  objects: (Secret | ConfigMap)[]
  /** Of the first tenant's admin; nothing else holds it. */
  apiKey: string
}

/** What is made here and stands in several objects. */
interface Made {
  appPassword: string
  relayPassword: string
  /** By the name of the part. */
  natsPasswords: ReadonlyMap<string, string>
  platformKey: Jwk
  dispatchKey: Jwk
}

/** Makes everything anew: each call's keys and passwords are others. */
export async function createClusterSettings(
  components: readonly Component[],
  servers: ClusterServers,
  tenant: FirstTenant,
): Promise<ClusterSettings> {
  const parts = components.filter(({ nats }) => nats !== undefined)
  const made: Made = {
    appPassword: randomSecret(),
    relayPassword: randomSecret(),
    natsPasswords: new Map(parts.map(({ name }) => [name, randomSecret()])),
    platformKey: await createSigningKey('platform'),
    dispatchKey: await createSigningKey('dispatch'),
  }
  const { key, prefix, hash } = createApiKey()
  return {
    apiKey: key,
    objects: [
      secret(SECRETS_NAME, secretsOf(parts, servers, made)),
      secret(SETUP_NAME, {
        DATABASE_OWNER_URL: servers.databaseUrl,
        APP_PASSWORD: made.appPassword,
        RELAY_PASSWORD: made.relayPassword,
        FIRST_TENANT: tenant.slug,
        FIRST_ADMIN: tenant.admin,
        FIRST_API_KEY_PREFIX: prefix,
        FIRST_API_KEY_HASH: hash.toString('base64url'),
      }),
      secret(
        'kgents-nats-passwords',
        Object.fromEntries(
          [...made.natsPasswords].map(([name, password]) => [passwordVariableOf(name), password]),
        ),
        'kgents-agents',
      ),
      settingsOf(servers, made),
    ],
  }
}

function secretsOf(
  parts: readonly Component[],
  { databaseUrl, relayDatabaseUrl = databaseUrl, natsUrl, redisUrl, inference }: ClusterServers,
  made: Made,
): Record<string, string> {
  return {
    DATABASE_URL: loginUrl(databaseUrl, 'kgents_app', made.appPassword),
    RELAY_DATABASE_URLS: loginUrl(relayDatabaseUrl, 'kgents_relay', made.relayPassword),
    REDIS_URL: redisUrl,
    UPSTASH_REDIS_REST_TOKEN: randomSecret(),
    EVENT_SIGNING_KEY: randomSecret(),
    TOOL_SECRET_KEY: randomSecret(),
    WEBHOOK_SIGNING_KEY: randomSecret(),
    PLATFORM_SIGNING_KEY: JSON.stringify(made.platformKey),
    DISPATCH_SIGNING_KEY: JSON.stringify(made.dispatchKey),
    ...Object.fromEntries(
      parts.map((part) => [
        secretKeyOf(part, 'NATS_URL'),
        loginUrl(natsUrl, part.name, made.natsPasswords.get(part.name) ?? ''),
      ]),
    ),
    ...(inference.key === undefined ? {} : { INFERENCE_API_KEY: inference.key }),
  }
}

function settingsOf({ natsReplicas, inference }: ClusterServers, made: Made): ConfigMap {
  const { namespace } = DEFAULT_TARGET
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: SETTINGS_NAME, namespace, labels: PART_OF },
    data: {
      PLATFORM_JWKS: publicSetOf(made.platformKey),
      DISPATCH_JWKS: publicSetOf(made.dispatchKey),
      UPSTASH_REDIS_REST_URL: `http://redis-rest.${namespace}.svc.cluster.local`,
      STREAM_REPLICAS: String(natsReplicas),
      INFERENCE_BASE_URL: inference.url,
      INFERENCE_MODEL: inference.model,
    },
  }
}

function secret(
  name: string,
  stringData: Record<string, string>,
  namespace = DEFAULT_TARGET.namespace,
): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, labels: PART_OF },
    type: 'Opaque',
    stringData,
  }
}
