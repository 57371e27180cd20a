/**
 * What a new cluster is given once: every secret and setting that contracts name, with keys and passwords that are made here.
 * Objects of Kubernetes, for an operator to apply and to keep.
 */
import type { Component } from '../../shared/contract/component.ts'
import { createApiKey } from '../../shared/identity/api-keys.ts'
import { createSigningKey, publicSetOf, randomSecret } from '../keys.ts'
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

/** Makes everything anew: each call's keys and passwords are others. */
export async function createClusterSettings(
  components: readonly Component[],
  servers: ClusterServers,
  tenant: FirstTenant,
): Promise<ClusterSettings> {
  const passwords = { app: randomSecret(), relay: randomSecret() }
  const nats = components.filter((component) => component.nats !== undefined)
  const natsPasswords = new Map(nats.map(({ name }) => [name, randomSecret()]))
  const platformKey = await createSigningKey('platform')
  const dispatchKey = await createSigningKey('dispatch')
  const { key, prefix, hash } = createApiKey()
  const { inference } = servers
  return {
    apiKey: key,
    objects: [
      secret(SECRETS_NAME, {
        DATABASE_URL: loginUrl(servers.databaseUrl, 'kgents_app', passwords.app),
        RELAY_DATABASE_URLS: loginUrl(
          servers.relayDatabaseUrl ?? servers.databaseUrl,
          'kgents_relay',
          passwords.relay,
        ),
        REDIS_URL: servers.redisUrl,
        UPSTASH_REDIS_REST_TOKEN: randomSecret(),
        EVENT_SIGNING_KEY: randomSecret(),
        TOOL_SECRET_KEY: randomSecret(),
        WEBHOOK_SIGNING_KEY: randomSecret(),
        PLATFORM_SIGNING_KEY: JSON.stringify(platformKey),
        DISPATCH_SIGNING_KEY: JSON.stringify(dispatchKey),
        ...Object.fromEntries(
          nats.map((component) => [
            secretKeyOf(component, 'NATS_URL'),
            loginUrl(servers.natsUrl, component.name, natsPasswords.get(component.name) ?? ''),
          ]),
        ),
        ...(inference.key === undefined ? {} : { INFERENCE_API_KEY: inference.key }),
      }),
      secret(SETUP_NAME, {
        DATABASE_OWNER_URL: servers.databaseUrl,
        APP_PASSWORD: passwords.app,
        RELAY_PASSWORD: passwords.relay,
        FIRST_TENANT: tenant.slug,
        FIRST_ADMIN: tenant.admin,
        FIRST_API_KEY_PREFIX: prefix,
        FIRST_API_KEY_HASH: hash.toString('base64url'),
      }),
      secret(
        'kgents-nats-passwords',
        Object.fromEntries(
          [...natsPasswords].map(([name, password]) => [
            `${name.toUpperCase().replaceAll('-', '_')}_NATS_PASSWORD`,
            password,
          ]),
        ),
        'kgents-agents',
      ),
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: SETTINGS_NAME, namespace: DEFAULT_TARGET.namespace, labels: PART_OF },
        data: {
          PLATFORM_JWKS: publicSetOf(platformKey),
          DISPATCH_JWKS: publicSetOf(dispatchKey),
          UPSTASH_REDIS_REST_URL: `http://redis-rest.${DEFAULT_TARGET.namespace}.svc.cluster.local`,
          STREAM_REPLICAS: String(servers.natsReplicas),
          INFERENCE_BASE_URL: inference.url,
          INFERENCE_MODEL: inference.model,
        },
      },
    ],
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

/** `url` with another user. */
function loginUrl(url: string, user: string, password: string): string {
  const parsed = new URL(url)
  parsed.username = user
  parsed.password = password
  return parsed.href
}
