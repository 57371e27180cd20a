/**
 * Writes exports: a piece at a time, each in a transaction with the place that has been reached, so that a process which ends
 * anywhere is gone on from there. Memory holds one piece.
 */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Call, Given } from '../../../shared/contract/call.ts'
import type { Db } from '../../../shared/database/database.ts'
import { CENTRAL, PEOPLE } from '../../../shared/database/tables.ts'
import { TENANT_EVENTS } from '../../../shared/events/event.ts'
import type { ExportRow } from './rows.ts'

/** Text of one piece, and what one row of it may be longer. */
const PIECE_BYTES = 1_000_000
/** Compressed; past it the export fails, since everything is kept in the database. */
const MAX_BYTES = 10_000_000_000
const KEPT_DAYS = 7
/** Of one tick, in which other tenants have a turn as well; the next one goes on. */
const TURN_MS = 5000

const pack = promisify(gzip)

type Turn = Given<'postgres' | 'events', 'caller'>
type Writing = Pick<Call, 'db' | 'inOwn' | 'identity' | 'emit'>

/** Goes on with the export of the tenant that is under way, for as long as a tick may take; and removes those that expired. */
export async function continueExports({ transact, signal }: Turn): Promise<void> {
  await transact('write', expire)
  const until = performance.now() + TURN_MS
  let isOpen = true
  while (isOpen && !signal.aborted && performance.now() < until) {
    isOpen = await transact('write', writePiece)
  }
}

async function expire({ db }: Pick<Call, 'db'>): Promise<void> {
  const rows = await db<{ id: string }[]>`
    update exports set status = 'expired' where status = 'ready' and expires_at < now() returning id`
  for (const { id } of rows) await db`delete from export_pieces where export_id = ${id}`
}

type Place = Pick<ExportRow, 'id' | 'at_table' | 'at_row' | 'tables' | 'pieces' | 'bytes'>

type Reading = Pick<Writing, 'db' | 'inOwn'>

/** Tables that are read in the pool, also where the tenant has a database of its own. */
const STAYING = new Set([...CENTRAL, ...PEOPLE])

/** @returns whether there is more to write */
async function writePiece(call: Writing): Promise<boolean> {
  const { db } = call
  // Whoever comes second waits here, and goes on from where the first one has come to.
  const [row] = await db<Place[]>`
    select id, at_table, at_row, tables, pieces, bytes::float8 as bytes from exports
    where status in ('pending', 'running') for update`
  if (row === undefined) return false
  if (row.bytes > MAX_BYTES) return fail(row, `it is larger than ${MAX_BYTES} bytes`, call)
  const tables = await db<{ name: string }[]>`select name from exported_tables() as listed (name)`
  const { lines, ...reached } = await readPiece(row, ['tenants', ...tables.map(({ name }) => name)], call)
  const isDone = reached.at_table === null
  if (isDone) lines.push(JSON.stringify({ end: true }))
  const data = await pack(`${lines.join('\n')}\n`)
  await db`
    insert into export_pieces (tenant_id, export_id, piece, data)
    values (${call.identity.tenant}, ${row.id}, ${row.pieces + 1}, ${data})`
  await db`
    update exports set status = 'running', at_table = ${reached.at_table}, at_row = ${db.json(reached.at_row)},
      tables = ${db.json(reached.tables)}, pieces = pieces + 1, bytes = bytes + ${data.length}
    where id = ${row.id}`
  if (isDone) await finish(row.id, call)
  return !isDone
}

interface Reached extends Pick<Place, 'at_table' | 'at_row' | 'tables'> {
  lines: string[]
}

/** Rows from a place on, of as many tables as make one piece; without a table in the place, all have been read. */
async function readPiece(from: Place, names: readonly string[], call: Reading): Promise<Reached> {
  const lines: string[] = []
  const tables = { ...from.tables }
  let { at_table: name, at_row: after } = from
  name ??= names[0] ?? null
  let size = 0
  while (name !== null && size < PIECE_BYTES) {
    const rows = await readRows(name, after, PIECE_BYTES - size, call)
    for (const { line } of rows) lines.push(`{"table":${JSON.stringify(name)},"row":${line}}`)
    size += rows.reduce((sum, { line }) => sum + line.length, 0)
    if (rows.length > 0) tables[name] = (tables[name] ?? 0) + rows.length
    if (size >= PIECE_BYTES) {
      after = rows.at(-1)?.place ?? after
    } else {
      // By their names, so that a table that another version has added since is in its place or read never, and none twice.
      const last: string = name
      name = last === 'tenants' ? (names[1] ?? null) : (names.slice(1).find((each) => each > last) ?? null)
      after = null
    }
  }
  return { at_table: name, at_row: after, tables, lines }
}

async function readRows(
  name: string,
  after: unknown,
  most: number,
  { db, inOwn }: Reading,
): Promise<readonly { line: string; place: unknown }[]> {
  if (name === 'tenants') {
    return db<{ line: string; place: unknown }[]>`
      select row_to_json(t)::text as line, null as place
      from (select id, slug, name, tier, status, created_at from tenants) t`
  }
  const read = (from: Db) => from<{ line: string; place: unknown }[]>`
    select line, place from export_rows(${name}, ${after === null ? null : from.json(after)}, ${most})`
  return STAYING.has(name) ? read(db) : inOwn('read', (own) => read(own.db))
}

async function finish(id: string, { db, emit }: Writing): Promise<void> {
  await db`
    update exports set status = 'ready', finished_at = now(), expires_at = now() + make_interval(days => ${KEPT_DAYS})
    where id = ${id}`
  emit(TENANT_EVENTS.exported, { export: id })
}

async function fail({ id }: Place, error: string, { db }: Writing): Promise<boolean> {
  await db`update exports set status = 'failed', error = ${error}, finished_at = now() where id = ${id}`
  await db`delete from export_pieces where export_id = ${id}`
  return false
}
