/**
 * Marks and events of calls that changed nothing, and of calls that failed: kept off the request path, since a mark
 * per read must not cost a commit per read. They are written in batches, at most `delayMs` late, and on shutdown.
 */
import type { Sql } from 'postgres'
import { withTenant } from '../database/database.ts'
import { Failure } from '../failures.ts'
import type { Log } from '../telemetry/log.ts'
import { writeRecords, type Mark, type OutboxRow } from './record.ts'

export interface Recorder {
  /** Takes a mark and its event; never throws and never waits. */
  record(mark: Mark, event: OutboxRow): void
  /** Writes everything taken so far. */
  flush(): Promise<void>
}

interface Entry {
  mark: Mark
  event: OutboxRow
}

/** With more than this many unwritten, the database has been away for long, and the oldest are given up. */
const CAPACITY = 20_000
const BATCH = 200

export function createRecorder(sql: Sql, log: Log, delayMs = 50): Recorder {
  let entries: Entry[] = []
  let timer: NodeJS.Timeout | undefined
  let writing = Promise.resolve()

  const write = async (): Promise<void> => {
    const taken = entries
    entries = []
    const batches = batchesOf(taken)
    let kept: Entry[] = []
    // The first batch that finds the database away tells for all of them.
    while (batches.length > 0 && kept.length === 0) kept = await writeBatch(sql, batches.shift() ?? [], log)
    entries = [...kept, ...batches.flat(), ...entries]
    if (entries.length > 0) schedule(delayMs * 20)
  }
  const flush = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    writing = writing.then(write)
    return writing
  }
  const schedule = (delay: number): void => {
    timer ??= setTimeout(() => void flush(), delay)
  }

  return {
    record(mark, event) {
      entries.push({ mark, event })
      if (entries.length > CAPACITY) entries.shift()
      schedule(delayMs)
    },
    flush,
  }
}

/** One tenant per batch, since a transaction shows one tenant only. */
function batchesOf(entries: Entry[]): Entry[][] {
  return [...Map.groupBy(entries, ({ mark }) => mark.tenant_id).values()].flatMap((rows) =>
    Array.from({ length: Math.ceil(rows.length / BATCH) }, (_, at) =>
      rows.slice(at * BATCH, (at + 1) * BATCH),
    ),
  )
}

/** Writes a batch; gives it back where the database is away, so that it is tried again. */
async function writeBatch(sql: Sql, batch: Entry[], log: Log): Promise<Entry[]> {
  const [first] = batch
  if (first === undefined) return []
  try {
    await withTenant(sql, first.mark.tenant_id, 'write', (db) =>
      writeRecords(db, {
        marks: batch.map(({ mark }) => mark),
        events: batch.map(({ event }) => event),
        charges: [],
      }),
    )
    return []
  } catch (error) {
    const away = error instanceof Failure && error.retry
    log[away ? 'warn' : 'error']({ err: error, marks: batch.length }, away ? 'marks wait' : 'marks are lost')
    return away ? batch : []
  }
}
