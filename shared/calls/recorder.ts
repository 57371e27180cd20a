/**
 * Marks and events of calls that changed nothing, and of calls that failed: kept off the request path, since a mark
 * per read must not cost a commit per read. They are made and written in batches, at most `delayMs` late, and on shutdown:
 * to make and sign ten events at once takes a third of what it takes to do that between requests.
 */
import { isMoving, tryWithTenant, type Database } from '../database/database.ts'
import { Failure } from '../failures.ts'
import type { Log } from '../telemetry/log.ts'
import { markOf, type CallOutcome, type Mark, type OutboxRow } from './record.ts'

export interface Recorder {
  /** Takes what a mark and its event are made of; never throws and never waits. */
  record(call: CallOutcome): void
  /** Writes everything taken so far. */
  flush(): Promise<void>
}

interface Entry {
  mark: Mark
  event: OutboxRow
}

/** With more than this many unwritten, the database has been unavailable for long, and the oldest are given up. */
const MAX_ENTRIES = 20_000
const BATCH = 200
/** How long after a failure the next attempt is made. */
const RETRY_MS = 1000

/** @param eventKey signs the events */
export function createRecorder(database: Database, log: Log, eventKey: string, delayMs = 50): Recorder {
  let taken: CallOutcome[] = []
  /** Made and not written, since the database was unavailable. */
  let kept: Entry[] = []
  let timer: NodeJS.Timeout | undefined
  let writing = Promise.resolve()
  let isFailing = false

  const write = async (): Promise<void> => {
    const entries = [...kept, ...taken.map((call) => markOf(call, eventKey))]
    taken = []
    kept = []
    const groups = await byDatabase(database, entries).catch(() => [entries])
    kept = (await Promise.all(groups.map((group) => writeAll(database, group, log)))).flat()
    isFailing = kept.length > 0
    if (kept.length + taken.length > 0) schedule()
  }
  const flush = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    writing = writing.then(write)
    return writing
  }
  const schedule = (): void => {
    timer ??= setTimeout(() => void flush(), isFailing ? RETRY_MS : delayMs)
  }

  return {
    record(call) {
      taken.push(call)
      if (kept.length + taken.length > MAX_ENTRIES) (kept.length > 0 ? kept : taken).splice(0, BATCH)
      schedule()
    },
    flush,
  }
}

/** Writes entries of one database; gives back what is to be tried again. */
async function writeAll(database: Database, entries: Entry[], log: Log): Promise<Entry[]> {
  const batches = batchesOf(entries)
  let kept: Entry[] = []
  // The first batch that finds the database unavailable speaks for all of them.
  while (batches.length > 0 && kept.length === 0)
    kept = await writeBatch(database, batches.shift() ?? [], log)
  return [...kept, ...batches.flat()]
}

function batchesOf(entries: Entry[]): Entry[][] {
  return Array.from({ length: Math.ceil(entries.length / BATCH) }, (_, at) =>
    entries.slice(at * BATCH, (at + 1) * BATCH),
  )
}

async function byDatabase(database: Database, entries: Entry[]): Promise<Entry[][]> {
  const tenants = [...new Set(entries.map(({ mark }) => mark.tenant_id))]
  const servings = await Promise.all(tenants.map(async (tenant) => database.serving(tenant)))
  const of = new Map(tenants.map((tenant, at) => [tenant, servings[at]]))
  return [...Map.groupBy(entries, ({ mark }) => of.get(mark.tenant_id)).values()]
}

/** Writes a batch; gives back what could not be written because the database is unavailable, so that it is tried again. */
async function writeBatch(database: Database, batch: Entry[], log: Log): Promise<Entry[]> {
  const groups = [...Map.groupBy(batch, ({ mark }) => mark.tenant_id)]
  try {
    await writeTogether(database, groups)
    return []
  } catch (error) {
    // One that is being moved does not speak for the others.
    const away = error instanceof Failure && error.retry && !(isMoving(error) && groups.length > 1)
    if (away || groups.length === 1) {
      const what = away ? 'marks wait' : 'marks are lost'
      log[away ? 'warn' : 'error']({ err: error, marks: batch.length }, what)
      return away ? batch : []
    }
    // One tenant's rows are at fault: the others' are written without them.
    const kept: Entry[] = []
    for (const [, rows] of groups) kept.push(...(await writeBatch(database, rows, log)))
    return kept
  }
}

/**
 * Writes the rows of many tenants in one statement, since a commit per tenant would cost as much as all else that a read
 * costs. Each tenant's rows are written in that tenant's context; row-level security refuses any others.
 */
async function writeTogether(database: Database, groups: [tenant: string, rows: Entry[]][]): Promise<void> {
  const [first] = groups
  if (first === undefined) return
  const batch = groups.map(([tenant, rows]) => ({
    tenant,
    marks: rows.map(({ mark }) => mark),
    events: rows.map(({ event }) => event),
  }))
  await tryWithTenant(database, first[0], 'write', async (db) =>
    db.send(db`select record_calls(${db.json(batch)})`),
  )
}
