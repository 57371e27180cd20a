/** Passwords and keys that stand in several objects: made here, or taken from where an earlier file has them. */
import { randomSecret, createSigningKey, Jwk } from '../keys.ts'
import { DEFAULT_TARGET, SECRETS_NAME, SETUP_NAME } from '../target.ts'
import type { Kept } from './kept.ts'
import {
  DATA_NAMESPACE,
  NATS_NAMESPACE,
  NATS_PASSWORDS_NAME,
  POSTGRES_NAME,
  readNatsPasswords,
  REDIS_NAME,
} from './own-servers.ts'

export interface Made {
  passwords: { app: string; relay: string; exporter: string; owner: string; redis: string }
  /** By the user. */
  natsPasswords: ReadonlyMap<string, string>
  platformKey: Jwk
  dispatchKey: Jwk
}

/** @param natsUsers who needs a password on NATS */
export async function makeSecrets(natsUsers: readonly string[], kept: Kept): Promise<Made> {
  const ours = (name: string, key: string) => kept.value(DEFAULT_TARGET.namespace, name, key)
  const redisFile = kept.value(DATA_NAMESPACE, REDIS_NAME, 'password.conf')
  return {
    passwords: {
      app: ours(SETUP_NAME, 'APP_PASSWORD') ?? randomSecret(),
      relay: ours(SETUP_NAME, 'RELAY_PASSWORD') ?? randomSecret(),
      exporter: ours(SETUP_NAME, 'EXPORTER_PASSWORD') ?? randomSecret(),
      owner: kept.value(DATA_NAMESPACE, POSTGRES_NAME, 'password') ?? randomSecret(),
      redis: /^requirepass (\S+)/.exec(redisFile ?? '')?.[1] ?? randomSecret(),
    },
    natsPasswords: makeNatsPasswords(natsUsers, kept),
    platformKey: await keyOf('platform', ours(SECRETS_NAME, 'PLATFORM_SIGNING_KEY')),
    dispatchKey: await keyOf('dispatch', ours(SECRETS_NAME, 'DISPATCH_SIGNING_KEY')),
  }
}

function makeNatsPasswords(users: readonly string[], kept: Kept): Map<string, string> {
  const fileOf = (key: string) => kept.value(NATS_NAMESPACE, NATS_PASSWORDS_NAME, key) ?? ''
  const before = readNatsPasswords(fileOf('users.conf'), fileOf('cluster.conf'))
  return new Map(users.map((user) => [user, before.get(user) ?? randomSecret()]))
}

async function keyOf(name: string, kept: string | undefined): Promise<Jwk> {
  return kept === undefined ? createSigningKey(name) : Jwk.parse(JSON.parse(kept))
}
