/**
 * Lists are returned in pages: at most `limit` entries, and a `next_cursor` where there are more.
 *
 * A cursor carries the sort key of the last entry of its page, so the next page begins after that place whatever has
 * become of the entry. It is neither secret nor signed: at any other place a list shows its caller nothing else.
 */
import { z } from 'zod'
import type { Db } from '../database/database.ts'

/** What a column of a sort key may hold: what PostgreSQL reads as that type, and nothing that it would fail on. */
const COLUMN_TYPES = {
  uuid: z.guid(),
  bigint: z.string().regex(/^\d{1,18}$/),
  numeric: z.string().regex(/^\d{1,30}(\.\d{1,30})?$/),
  text: z.string().refine((text) => text.isWellFormed() && !text.includes('\0')),
  /** In microseconds, as PostgreSQL keeps them. */
  timestamptz: z.iso.datetime({ precision: 6 }).refine((time) => !time.startsWith('0000')),
} as const

type ColumnType = keyof typeof COLUMN_TYPES

/** A type, or the schema of texts of which the column has no others. */
type Column = ColumnType | z.ZodType<string>

const MAX_CURSOR = 2000
const BASE64URL = /^[A-Za-z0-9_-]+$/

/** Schema of `next_cursor`; null on the last page. */
export const NextCursor = z.string().nullable()

export interface Bounds {
  limit: number
  cursor?: string | undefined
}

export interface Page<T> {
  page: T[]
  next_cursor: string | null
}

export interface Order {
  /** Schema of `cursor`: what a page of such a list has returned. */
  readonly Cursor: z.ZodType<string, string>
  /** The values of the sort key in a cursor; undefined where there is none, or it is of another list. */
  placeOf(cursor: string | undefined): string[] | undefined
  /** Reads a page of what `query` selects: it has the columns of the sort key among its own, and neither order nor limit. */
  readPage<T extends object>(db: Db, query: PromiseLike<readonly T[]>, bounds: Bounds): Promise<Page<T>>
}

/**
 * The order of a list that comes in pages.
 *
 * @param columns of the sort key and what they hold; no two rows have the same values in all of them
 */
export function orderBy(columns: Readonly<Record<string, Column>>, direction: 'asc' | 'desc'): Order {
  const sortKey = Object.entries(columns).map(([name, held]) => ({
    column: `listed."${name}"`,
    ...(typeof held === 'string'
      ? { type: held, schema: COLUMN_TYPES[held] }
      : { type: 'text', schema: held }),
  }))
  const key = sortKey.map(({ column }) => column).join(', ')
  const place = sortKey.map(asText).join(', ')
  const order = sortKey.map(({ column }) => `${column} ${direction}`).join(', ')
  const beyond = direction === 'asc' ? '>' : '<'

  function readCursor(cursor: string): string[] | undefined {
    const values = parseCursor(cursor)
    const fits =
      values.length === sortKey.length &&
      sortKey.every(({ schema }, at) => schema.safeParse(values[at]).success)
    return fits ? (values as string[]) : undefined
  }

  return {
    Cursor: z
      .string()
      .max(MAX_CURSOR)
      .regex(BASE64URL)
      .refine((cursor) => readCursor(cursor) !== undefined, 'must be a next_cursor of this list, as it came')
      .describe('next_cursor of the page before'),

    placeOf: (cursor) => (cursor === undefined ? undefined : readCursor(cursor)),

    async readPage<T extends object>(db: Db, query: PromiseLike<readonly T[]>, { limit, cursor }: Bounds) {
      const after = cursor === undefined ? undefined : readCursor(cursor)
      // As text first: the driver would make a date of a time, which has no microseconds.
      const values = sortKey.map(
        ({ type }, at) =>
          db`${db.unsafe(at === 0 ? '' : ',')} ${after?.[at] ?? ''}::text::${db.unsafe(type)}`,
      )
      const rows = await db<(T & { list_place: string[] })[]>`
        select listed.*, json_build_array(${db.unsafe(place)}) as list_place from (${fragment(query)}) listed
        where ${after === undefined ? db`true` : db`(${db.unsafe(key)}) ${db.unsafe(beyond)} (${values})`}
        order by ${db.unsafe(order)} limit ${limit + 1}`
      return cutPage<T>(rows, limit)
    },
  }
}

/** A query that is a part of another one is not sent by itself. */
function fragment(query: PromiseLike<unknown>): never {
  return query as never // reason: the driver's types know no nested queries with rows of their own
}

/** A column as text from which its value is read again. */
function asText({ column, type }: { column: string; type: string }): string {
  return type === 'timestamptz'
    ? `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
    : `${column}::text`
}

/** The page out of rows of which one too many was read, which means that there are more. */
export function cutPage<T extends object>(
  rows: readonly (T & { list_place: string[] })[],
  limit: number,
): Page<T> {
  const last = rows.length > limit ? rows[limit - 1] : undefined
  const page = rows.slice(0, limit).map(({ list_place: _place, ...row }) => row as unknown as T) // reason: the query selected just these
  return { page, next_cursor: last === undefined ? null : writeCursor(last.list_place) }
}

function writeCursor(place: readonly string[]): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url')
}

/** The values in a cursor; none where it is not one. */
function parseCursor(cursor: string): unknown[] {
  try {
    const values: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    return Array.isArray(values) ? values : []
  } catch {
    return []
  }
}
