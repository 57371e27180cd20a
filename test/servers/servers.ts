/**
 * The real servers that the tests of this project share: started once, on free ports, in a folder of their own.
 *
 * A test that stops or breaks a server starts one for itself with the same functions.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { components } from '../../functions/components.ts'
import postgres from 'postgres'
import { startNats, type NatsServer } from '../../knative/local/servers/nats.ts'
import { findFreePort, findFreePorts } from '../../knative/local/servers/ports.ts'
import { startPostgres, type PostgresServer } from '../../knative/local/servers/postgres.ts'
import { startRedis, type RedisServer } from '../../knative/local/servers/redis.ts'
import { NotReady, startServer, type ServerProcess } from '../../knative/local/servers/server-process.ts'
import { cacheFolder } from '../../knative/local/servers/wheels.ts'
import { natsUsersOf } from '../../knative/nats-users.ts'
import { allowLogin, migrate } from '../../shared/database/migrate.ts'

/** Where the shared servers are, as `inject('servers')` gives it to a test. */
export interface ServerAddresses {
  /** The migrated database, for its owner, for functions and for the relay. */
  postgres: { owner: string; app: string; relay: string; exporter: string }
  nats: { relay: string; hub: string; worker: string; webhooks: string; monitoring: string }
  redis: { url: string; restUrl: string; restToken: string }
}

export interface Servers {
  addresses: ServerAddresses
  stop(): Promise<void>
}

/** A folder for servers that are started for a test; `remove` it when they have stopped. */
export async function makeStateFolder(): Promise<{ state: string; remove: () => Promise<void> }> {
  const state = await mkdtemp(join(tmpdir(), 'kgents-test-'))
  return { state, remove: () => rm(state, { recursive: true, force: true }) }
}

const fetching = { cache: cacheFolder(process.env), env: process.env }

/** As the tests start every server: its port and its secrets are chosen here. */
export async function startTestPostgres(state: string, port?: number): Promise<PostgresServer> {
  return await startPostgres({ state, port: port ?? (await findFreePort()), password: 'a test password' })
}

/** A user for each part. */
export function natsLogins() {
  return { users: natsUsersOf(components), key: makeSecret() }
}

export async function startTestNats(state: string): Promise<NatsServer> {
  const [port = 0, monitoringPort = 0] = await findFreePorts(2)
  return await startNats({ state, port, monitoringPort, ...natsLogins(), ...fetching })
}

export async function startTestRedis(state: string, port?: number): Promise<RedisServer> {
  return await startRedis({
    state,
    port: port ?? (await findFreePort()),
    password: 'test-password',
    ...fetching,
  })
}

export interface RedisRestServer extends ServerProcess {
  readonly restUrl: string
  readonly restToken: string
}

/** The REST front as a process, as it runs in production. */
export async function startTestRedisRest(state: string, redisUrl: string): Promise<RedisRestServer> {
  const port = await findFreePort()
  const restToken = makeSecret()
  const server = await startServer({
    name: 'REST front',
    program: process.execPath,
    args: [fileURLToPath(new URL('../../gateway/redis-rest/main.ts', import.meta.url))],
    env: {
      PORT: String(port),
      HOST: '127.0.0.1',
      LOG_LEVEL: 'warn',
      REDIS_URL: redisUrl,
      UPSTASH_REDIS_REST_TOKEN: restToken,
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
    },
    logFile: join(state, 'logs', 'redis-rest.log'),
    folder: join(state, 'redis-rest'),
    stopSignal: 'SIGTERM',
    probe: () => probe(port),
  })
  return { ...server, restUrl: `http://127.0.0.1:${port}`, restToken }
}

/** Starts all of them; with the schema in place. */
export async function startServers(): Promise<Servers> {
  const { state, remove } = await makeStateFolder()
  const [postgres, nats, [redis, rest]] = await Promise.all([
    startMigratedPostgres(state),
    startTestNats(state),
    startTestRedis(state).then(async (redis) => [redis, await startTestRedisRest(state, redis.url)] as const),
  ])
  return {
    addresses: {
      postgres: postgres.urls,
      nats: {
        relay: nats.urlOf('relay'),
        hub: nats.urlOf('stream-hub'),
        worker: nats.urlOf('gpu-worker'),
        webhooks: nats.urlOf('webhooks'),
        monitoring: nats.monitoringUrl,
      },
      redis: { url: redis.url, restUrl: rest.restUrl, restToken: rest.restToken },
    },
    async stop() {
      await Promise.all([rest.stop(), redis.stop(), nats.stop(), postgres.stop()])
      await remove()
    },
  }
}

/** The migrated database as nobody has used it, which is copied faster than it is made. */
const TEMPLATE = 'migrated'

/** PostgreSQL with the schema in place, and its address for each role. */
export async function startMigratedPostgres(state: string, port?: number) {
  const server = await startTestPostgres(state, port)
  const passwords = {
    kgents_app: makeSecret(),
    kgents_relay: makeSecret(),
    kgents_usage_exporter: makeSecret(),
  }
  await migrate(server.url)
  await createDatabase(Object.assign(new URL(server.url), { pathname: '/postgres' }).href, TEMPLATE, 'kgents')
  await allowLogin(server.url, 'kgents_app', passwords.kgents_app)
  await allowLogin(server.url, 'kgents_relay', passwords.kgents_relay)
  await allowLogin(server.url, 'kgents_usage_exporter', passwords.kgents_usage_exporter)
  const urlOf = (user: keyof typeof passwords) => {
    const url = new URL(server.url)
    url.username = user
    url.password = passwords[user]
    return url.href
  }
  const urls = {
    owner: server.url,
    app: urlOf('kgents_app'),
    relay: urlOf('kgents_relay'),
    exporter: urlOf('kgents_usage_exporter'),
  }
  return { ...server, urls }
}

/** @param template the database that it begins as a copy of; nobody may be connected to that */
export async function createDatabase(url: string, name: string, template = TEMPLATE): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  await sql`create database ${sql(name)} template ${sql(template)}`
  await sql.end()
}

async function probe(port: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect')
  } catch (error) {
    throw new NotReady(`port ${port} is closed`, { cause: error })
  } finally {
    socket.destroy()
  }
}

function makeSecret(): string {
  return randomBytes(24).toString('base64url')
}
