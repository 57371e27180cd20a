/** The store that traces are read from: ClickHouse where there is one and it answers, else PostgreSQL, which has what a plan keeps. */
import type { Call } from '../../../shared/contract/call.ts'
import type { TraceStore } from '../../../shared/traces/trace-store.ts'
import { marksInPostgres } from './postgres-store.ts'

/** Reads from the store that there is, and from PostgreSQL where that fails. */
export async function fromStore<T>(
  { db, log, traceStore }: Pick<Call, 'db' | 'log' | 'traceStore'>,
  read: (store: TraceStore) => Promise<T>,
): Promise<T> {
  const own = marksInPostgres(db)
  const store = await traceStore()
  if (store === undefined) return read(own)
  try {
    return await read(store)
  } catch (error) {
    log.warn({ err: error }, 'ClickHouse does not answer; traces are read from PostgreSQL')
    return read(own)
  }
}
