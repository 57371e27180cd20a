/**
 * The servers that our components bring: where they are, and what each is given. A name or a key here is one that a manifest
 * in `knative/manifests/components` reads; a test compares the two.
 */
import type { Component } from '../../shared/contract/component.ts'
import { loginUrl } from '../local/database-logins.ts'
import {
  BACKUP_USER,
  CHANNEL_USER,
  MIRROR_USER,
  natsAccountsOf,
  natsUserNames,
  RESTORE_USER,
} from '../nats-accounts.ts'
import { passwordVariableOf } from '../nats-users.ts'
import type { ConfigMap, Secret } from '../objects.ts'
import { configMap, secret } from './objects.ts'

export const DATA_NAMESPACE = 'kgents-triad'
export const NATS_NAMESPACE = 'kgents-agents'
const EVENTING_NAMESPACE = 'knative-eventing'

export const POSTGRES_NAME = 'kgents-postgres'
export const NATS_PASSWORDS_NAME = 'kgents-nats-passwords'
export const REDIS_NAME = 'kgents-redis'
export const POOLER_NAME = 'kgents-pgbouncer'

/** Owner of the database and, in the component `postgres`, of the server. */
const DATABASE_OWNER = 'kgents'
const POSTGRES_HOST = `postgres.${DATA_NAMESPACE}.svc.cluster.local`
const NATS_SERVERS = 3
const NATS_HOST = `nats.${NATS_NAMESPACE}.svc.cluster.local`

/** Of the component `ollama`, with the model that it has. */
export const OLLAMA = { url: 'http://ollama.kgents.svc.cluster.local/v1', model: 'qwen2.5:0.5b' }

export const NATS_URL = `nats://${NATS_HOST}:4222`
const MIRROR_NATS_URL = `nats://nats-mirror.${NATS_NAMESPACE}.svc.cluster.local:4222`
export const NATS_MONITORING_URL = `http://${NATS_HOST}:8222`

export function postgresUrl(password: string): string {
  return loginUrl(`postgres://${POSTGRES_HOST}:5432/kgents`, DATABASE_OWNER, password)
}

export function redisUrl(password: string): string {
  return `redis://:${password}@redis.${DATA_NAMESPACE}.svc.cluster.local:6379`
}

export function postgresSecret(password: string): Secret {
  const owner = { username: DATABASE_OWNER, password }
  return secret(POSTGRES_NAME, owner, DATA_NAMESPACE, 'kubernetes.io/basic-auth')
}

/** @param directUrl where the database is, without a pooler */
export function poolerSecret(directUrl: string, appPassword: string): Secret {
  const { hostname, port } = new URL(directUrl)
  return secret(
    POOLER_NAME,
    {
      // Any database of the server: one for each tenant who has its own.
      'databases.ini': `[databases]\n* = host=${hostname} port=${port || '5432'}\n`,
      'userlist.txt': `"kgents_app" "${appPassword}"\n`,
    },
    DATA_NAMESPACE,
  )
}

/** What functions connect to instead of `directUrl`. */
export function poolerUrl(directUrl: string): string {
  const { pathname } = new URL(directUrl)
  return `postgres://pgbouncer.${DATA_NAMESPACE}.svc.cluster.local:5432${pathname}`
}

export function redisSecret(password: string): Secret {
  return secret(REDIS_NAME, { 'password.conf': `requirepass ${password}\n` }, DATA_NAMESPACE)
}

/** Everybody who logs in to NATS, the servers among them. */
export function natsLogins(components: readonly Component[]): string[] {
  return [...natsUserNames(natsAccountsOf(components)), 'cluster']
}

/** What NATS, its backups, its mirror and eventing-natss read. */
export function natsObjects(passwords: ReadonlyMap<string, string>): (Secret | ConfigMap)[] {
  const passwordOf = (user: string) => passwords.get(user) ?? ''
  const urlOf = (user: string, url = NATS_URL) => loginUrl(url, user, passwordOf(user))
  return [
    secret(
      NATS_PASSWORDS_NAME,
      {
        'users.conf': usersFile(passwords),
        'cluster.conf': clusterFile(passwordOf('cluster')),
        'mirror.conf': `PRIMARY_URL: "${urlOf(MIRROR_USER, `nats-leaf://${NATS_HOST}:7422`)}"\n`,
      },
      NATS_NAMESPACE,
    ),
    secret(
      'kgents-nats-backup',
      {
        BACKUP_NATS_URL: urlOf(BACKUP_USER),
        RESTORE_NATS_URL: urlOf(RESTORE_USER),
        MIRROR_NATS_URL: urlOf(BACKUP_USER, MIRROR_NATS_URL),
        MIRROR_ENSURE_NATS_URL: urlOf(RESTORE_USER, MIRROR_NATS_URL),
      },
      NATS_NAMESPACE,
    ),
    configMap('config-nats', { 'eventing-nats': channelSettings(urlOf(CHANNEL_USER)) }, EVENTING_NAMESPACE),
  ]
}

/** Variables of the servers' configuration; in quotes, or a password of digits would be a number. */
function usersFile(passwords: ReadonlyMap<string, string>): string {
  return [...passwords]
    .filter(([user]) => user !== 'cluster')
    .map(([user, password]) => `${passwordVariableOf(user)}: "${password}"\n`)
    .join('')
}

/** The passwords in a file that `usersFile` wrote, and those of the servers, by the user. */
export function readNatsPasswords(users: string, cluster: string): Map<string, string> {
  const found = `${users}\n${cluster}`.matchAll(/^(\w+)_NATS_PASSWORD: "(.*)"$/gm)
  return new Map(
    [...found].map(([, variable = '', password = '']) => [
      variable.toLowerCase().replaceAll('_', '-'),
      password,
    ]),
  )
}

function clusterFile(password: string): string {
  const routes = Array.from({ length: NATS_SERVERS }, (_, index) =>
    loginUrl(
      `nats://nats-${index}.nats-headless.${NATS_NAMESPACE}.svc.cluster.local:6222`,
      'cluster',
      password,
    ),
  )
  const list = routes.map((route) => `  "${route}"\n`).join('')
  return `${passwordVariableOf('cluster')}: "${password}"\nCLUSTER_ROUTES: [\n${list}]\n`
}

/** eventing-natss reads its password from here and nowhere else, and ends for good after so many attempts. */
function channelSettings(url: string): string {
  return [
    `url: ${url}`,
    'connOpts:',
    '  retryOnFailedConnect: true',
    '  maxReconnects: 1000000',
    '  reconnectWaitMilliseconds: 2000',
    '  reconnectJitterMilliseconds: 500',
    '',
  ].join('\n')
}
