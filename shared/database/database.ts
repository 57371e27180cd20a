/**
 * PostgreSQL as functions see it: one transaction, one tenant, and row-level security in between.
 *
 * Most tenants share one database, the pool; one with a database of its own has its transactions there (`silos.ts`), but for
 * what stays in the pool for every tenant, which is reached by `central`.
 *
 * No session state and no named prepared statements outlive a transaction, so that PgBouncer's transaction mode works.
 */
import { setTimeout } from 'node:timers/promises'
import postgres, { type Sql } from 'postgres'
import { Failure } from '../failures.ts'
import { CONNECTION_OPTIONS, Connections, type DatabaseOptions } from './connections.ts'
import { Silos, type Serving } from './silos.ts'
import { Transaction, type Db, type Mode } from './transaction.ts'

export type { Db } from './transaction.ts'

export interface Database {
  /** For the few statements that are about no tenant; each is a transaction of its own. */
  readonly sql: Sql
  /** Where transactions of a tenant are: a promise only where that has to be asked for. */
  serving(tenant: string): Serving | Promise<Serving>
  /** The same in the pool, whatever database a tenant has: for people, keys and money. */
  readonly central: Database
  /** Runs a query that is about no tenant in every database; one that cannot be reached is `missed`. */
  everywhere<T>(query: (sql: Sql) => Promise<readonly T[]>, missed: (error: unknown) => void): Promise<T[]>
  /** Asks again where tenants are served. */
  locate(): Promise<void>
  /** Connects before the first transaction of a tenant; where that fails, the transaction tries again. */
  connect(): void
  /** Disconnects when what is under way is over, but after `timeoutSeconds` at the latest. */
  close(timeoutSeconds?: number): Promise<void>
}

/** Most statements about no tenant that one process runs at once. */
const SHARED_CONNECTIONS = 2

/** How long a transaction waits for a tenant that is being moved. */
const MOVE_WAIT_MS = 8000
const MOVE_POLL_MS = 100

/**
 * Connects with the first query, unless `connect` is called. To connect takes as much CPU as a small call, so what is about no
 * tenant, which most processes never query, connects when it is used.
 */
export function openDatabase(url: string, options: DatabaseOptions = {}): Database {
  const sql = postgres(url, {
    ...CONNECTION_OPTIONS,
    max: SHARED_CONNECTIONS,
    prepare: options.prepare ?? false,
    backoff: () => 0.2,
  })
  const connections = new Connections(url, options)
  const silos = new Silos({ url, pool: connections, options, sql })
  const shared = {
    sql,
    connect: () => connections.connect(),
    everywhere: silos.everywhere,
    locate: silos.locate,
    async close(timeoutSeconds = 5) {
      const closing = [sql.end({ timeout: timeoutSeconds }), connections.close(timeoutSeconds)]
      await Promise.all([...closing, silos.close(timeoutSeconds)])
    },
  }
  const inPool: Serving = { connections, central: true }
  const central: Database = {
    ...shared,
    serving: () => inPool,
    get central() {
      return central
    },
  }
  return { ...shared, serving: silos.serving, central }
}

/**
 * Runs `work` in one transaction in which row-level security shows only `tenant`; a throw rolls it back. `read` refuses every
 * write in PostgreSQL itself. Where the tenant is being moved to another database it waits, and runs `work` again.
 *
 * A write reaches the server in two flushes at least: its beginning and its first query, its last statements and its
 * commit. A read takes one: it is ended with what the connection does next.
 *
 * @throws Failure DEPENDENCY_UNAVAILABLE when PostgreSQL is unavailable or the move takes long, PURITY_BREACH when `read`
 *   work tried to write
 */
export async function withTenant<T>(
  database: Database,
  tenant: string,
  mode: Mode,
  work: (db: Db) => Promise<T>,
): Promise<T> {
  const began = performance.now()
  for (;;) {
    try {
      return await tryWithTenant(database, tenant, mode, work)
    } catch (error) {
      if (!isMoving(error) || performance.now() - began > MOVE_WAIT_MS) throw error
      await setTimeout(MOVE_POLL_MS)
      await database.locate().catch(fail)
    }
  }
}

/**
 * As `withTenant`, without waiting for a move.
 *
 * @throws Failure as `withTenant`; one of which `isMoving` is true where the tenant is being moved
 */
export async function tryWithTenant<T>(
  database: Database,
  tenant: string,
  mode: Mode,
  work: (db: Db) => Promise<T>,
): Promise<T> {
  const found = database.serving(tenant)
  const { connections, central } = found instanceof Promise ? await found.catch(fail) : found
  const connection = await connections.acquire()
  const transaction = new Transaction(connection)
  try {
    const opening = transaction.begin(tenant, mode, central)
    if (!connection.isOpen) await opening
    const [result] = await Promise.all([work(transaction.db), opening])
    await transaction.end(mode)
    connections.release(connection)
    return result
  } catch (error) {
    // The caller need not wait for what is left of it; whoever borrows the connection next must.
    void transaction.rollBack().then(() => connections.release(connection))
    throw asFailure(error)
  }
}

/**
 * Whether the rows that move with a tenant are in the pool, with those that always are.
 *
 * @throws Failure DEPENDENCY_UNAVAILABLE where the pool cannot be asked
 */
export async function areTogether({ serving, central }: Database, tenant: string): Promise<boolean> {
  const [own, pool] = await Promise.all([serving(tenant), central.serving(tenant)]).catch(fail)
  return own.connections === pool.connections
}

/** @throws what it is given, as a failure where it is expected */
function fail(error: unknown): never {
  throw asFailure(error)
}

/** Raised by `refuse_moved()` in PostgreSQL. */
const MOVING = 'KG001'

/** Whether a database has refused a tenant because it is served in another, or will be in a moment. */
export function isMoving(error: unknown): boolean {
  if (!(error instanceof Failure)) return false
  return (error.cause as { code?: unknown } | undefined)?.code === MOVING
}

/** Errors of the network, of a server that starts, stops, is full or lets us not in, and of two calls in each other's way. */
const UNAVAILABLE =
  /^(ECONN|EPIPE|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH|CONNECT|CONNECTION_|57P0[1-3]|08|28|53300|40001|40P01)/
const READ_ONLY_TRANSACTION = '25006'
const CANCELLED = new Set(['57014', '55P03'])
/** Raised by the triggers that count what a tenant stores; its detail is how many bytes the plan has. */
const STORAGE_USED_UP = 'KG002'

/** A driver's error as a failure where it is expected; anything else is passed on as the bug that it is. */
export function asFailure(error: unknown): unknown {
  if (error instanceof Failure || !(error instanceof Error)) return error
  const { code = '', detail } = error as { code?: string; detail?: string }
  if (UNAVAILABLE.test(code)) {
    return new Failure('DEPENDENCY_UNAVAILABLE', 'Cannot reach the database', {
      retryAfterSeconds: 1,
      cause: error,
    })
  }
  if (code === MOVING) {
    return new Failure(
      'DEPENDENCY_UNAVAILABLE',
      'Cannot use the database of your tenant: it is being moved',
      {
        retryAfterSeconds: 1,
        cause: error,
      },
    )
  }
  if (code === READ_ONLY_TRANSACTION) {
    return new Failure('PURITY_BREACH', 'A read-only call tried to write', { cause: error })
  }
  if (code === STORAGE_USED_UP) return storageUsedUp(Number(detail), error)
  if (CANCELLED.has(code)) {
    return new Failure('DEADLINE_EXCEEDED', 'The database took too long', {
      retryAfterSeconds: 1,
      cause: error,
    })
  }
  return error
}

function storageUsedUp(limit: number, cause: Error): Failure {
  return new Failure(
    'QUOTA_EXCEEDED',
    `Cannot store that: your plan has ${limit} bytes, and they are used up`,
    {
      suggestion: 'Delete what is no longer needed, allow use past the plan, or move to a larger plan',
      details: { resource: 'storage_bytes', limit },
      cause,
    },
  )
}
