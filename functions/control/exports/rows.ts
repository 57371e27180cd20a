/** Exports as they are stored and shown. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import { Failure } from '../../../shared/failures.ts'

const STATUSES = ['pending', 'running', 'ready', 'failed', 'expired'] as const

export const Export = z.strictObject({
  id: z.uuid(),
  status: z.enum(STATUSES),
  requested_by: z.uuid(),
  created_at: z.string(),
  finished_at: z.string().optional(),
  expires_at: z.string().optional(),
  tables: z.record(z.string(), z.int()).describe('Rows by table, as far as it is written'),
  bytes: z.int().describe('As it is stored, compressed'),
  error: z.string().optional(),
})

export interface ExportRow {
  id: string
  status: (typeof STATUSES)[number]
  requested_by: string
  created_at: Date
  finished_at: Date | null
  expires_at: Date | null
  at_table: string | null
  at_row: unknown
  tables: Record<string, number>
  pieces: number
  bytes: number
  error: string | null
}

/** UUIDs of version 7 sort by time. */
export const NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')

const COLUMNS = `id, status, requested_by, created_at, finished_at, expires_at, at_table, at_row, tables, pieces,
  bytes::float8 as bytes, error`

export async function listExports(bounds: Bounds, { db }: Pick<Call, 'db'>) {
  const rows = db<ExportRow[]>`select ${db.unsafe(COLUMNS)} from exports`
  const { page, next_cursor } = await NEWEST_FIRST.readPage(db, rows, bounds)
  return { exports: page.map(describe), next_cursor }
}

/** @throws Failure NOT_FOUND */
export async function findExport(id: string, { db }: Pick<Call, 'db'>): Promise<ExportRow> {
  const [row] = await db<ExportRow[]>`select ${db.unsafe(COLUMNS)} from exports where id = ${id}`
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', `Cannot find export "${id}"`, {
    suggestion: 'GET /v1/tenant/exports lists them',
  })
}

export function describe(row: ExportRow): z.infer<typeof Export> {
  const { id, requested_by, tables, bytes, finished_at, expires_at, error } = row
  const isOver = expires_at !== null && expires_at.getTime() <= Date.now()
  return {
    id,
    status: isOver ? 'expired' : row.status,
    requested_by,
    created_at: row.created_at.toISOString(),
    ...(finished_at === null ? {} : { finished_at: finished_at.toISOString() }),
    ...(expires_at === null ? {} : { expires_at: expires_at.toISOString() }),
    tables,
    bytes,
    ...(error === null ? {} : { error }),
  }
}
