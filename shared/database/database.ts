/**
 * PostgreSQL as functions see it: one transaction, one tenant, and row-level security in between.
 *
 * No session state and no named prepared statements outlive a transaction, so that PgBouncer's transaction mode works.
 */
import postgres, { type ReservedSql, type Sql } from 'postgres'
import { Failure } from '../failures.ts'

/** Queries in the tenant's transaction. */
export type Db = ReservedSql

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

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * Runs `work` in one transaction in which row-level security shows only `tenant`; a throw rolls it back.
 * `read` refuses every write in PostgreSQL itself.
 *
 * The opening statements are sent without waiting, so they share a round trip with the first query of `work`.
 *
 * @throws Failure DEPENDENCY_UNAVAILABLE when PostgreSQL is away, PURITY_BREACH when `read` work tried to write
 */
export async function withTenant<T>(
  sql: Sql,
  tenant: string,
  mode: 'read' | 'write',
  work: (db: Db) => Promise<T>,
): Promise<T> {
  if (!UUID.test(tenant)) throw new TypeError('Cannot open a transaction: the tenant is not a UUID')
  const db = await reserve(sql)
  const opened = db.unsafe(
    `begin ${mode === 'read' ? 'read only' : ''}; select set_tenant_context('${tenant}')`,
  )
  opened.catch(() => {})
  try {
    const result = await work(db)
    await opened
    await db.unsafe('commit')
    return result
  } catch (error) {
    await db.unsafe('rollback').catch(() => {})
    throw asFailure(error)
  } finally {
    db.release()
  }
}

async function reserve(sql: Sql): Promise<ReservedSql> {
  try {
    return await sql.reserve()
  } catch (error) {
    throw asFailure(error)
  }
}

/** Errors of the network, of a server that starts or stops, and of one that has no connection left. */
const AWAY = /^(ECONN|EPIPE|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH|CONNECT|CONNECTION_|57P0[1-3]|08|53300)/
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
