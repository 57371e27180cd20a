/**
 * PostgreSQL as functions see it: one transaction, one tenant, and row-level security in between.
 *
 * No session state and no named prepared statements outlive a transaction, so that PgBouncer's transaction mode works.
 */
import postgres, { type Sql, type TransactionSql } from 'postgres'
import { Failure } from '../failures.ts'

/** Queries in the tenant's transaction. */
export type Db = TransactionSql

export interface DatabaseOptions {
  /** Most connections that one process opens. */
  connections?: number
  /** Named prepared statements: faster, but only on a direct connection, or PgBouncer from 1.21 on. */
  prepare?: boolean
}

/** Opens a pool. Connects with the first query, so that starting costs nothing. */
export function openDatabase(url: string, { connections = 10, prepare = false }: DatabaseOptions = {}): Sql {
  return postgres(url, {
    max: connections,
    prepare,
    fetch_types: false,
    connect_timeout: 3,
    idle_timeout: 60,
    backoff: () => 0.2,
    onnotice: () => {},
    connection: { application_name: 'kgents' },
  })
}

/**
 * Runs `work` in one transaction in which row-level security shows only `tenant`; a throw rolls it back.
 * `read` refuses every write in PostgreSQL itself.
 *
 * The context is set without waiting, so that it shares a round trip with the first query of `work`; should it fail,
 * the transaction is broken and so is every query after it.
 *
 * @throws Failure DEPENDENCY_UNAVAILABLE when PostgreSQL is away, PURITY_BREACH when `read` work tried to write
 */
export async function withTenant<T>(
  sql: Sql,
  tenant: string,
  mode: 'read' | 'write',
  work: (db: Db) => Promise<T>,
): Promise<T> {
  try {
    // Wrapped, because the driver would wait for each promise in an array that `work` answers.
    const { result } = await sql.begin(mode === 'read' ? 'read only' : 'read write', async (db) => {
      const context = db`select set_tenant_context(${tenant})`.execute()
      const [outcome] = await Promise.all([work(db), context])
      return { result: outcome }
    })
    return result
  } catch (error) {
    throw asFailure(error)
  }
}

/** Errors of the network, of a server that starts, stops, is full or lets us not in, and of two calls in each other's way. */
const AWAY =
  /^(ECONN|EPIPE|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH|CONNECT|CONNECTION_|57P0[1-3]|08|28|53300|40001|40P01)/
const READ_ONLY_TRANSACTION = '25006'
const CANCELLED = new Set(['57014', '55P03'])

/** A driver's error as a failure where it is expected; anything else is passed on as the bug that it is. */
export function asFailure(error: unknown): unknown {
  if (error instanceof Failure || !(error instanceof Error)) return error
  const { code = '' } = error as { code?: string }
  if (AWAY.test(code)) {
    return new Failure('DEPENDENCY_UNAVAILABLE', 'Cannot reach the database', {
      retryAfterSeconds: 1,
      cause: error,
    })
  }
  if (code === READ_ONLY_TRANSACTION) {
    return new Failure('PURITY_BREACH', 'A call that may only look tried to write', { cause: error })
  }
  if (CANCELLED.has(code)) {
    return new Failure('DEADLINE_EXCEEDED', 'The database took too long', {
      retryAfterSeconds: 1,
      cause: error,
    })
  }
  return error
}
