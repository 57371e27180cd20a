/** Tenants that are deleted, as operators see them: also what their erasure has counted, and what the sweep has found. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import { erasedAfter } from '../tenant/deletion.ts'
import { operate } from './operate.ts'

const Counts = z.record(z.string(), z.number())

export const DeletedTenant = z.strictObject({
  id: z.uuid(),
  slug: z.string(),
  state: z.enum(['deleted', 'erasing', 'erased']),
  deleted_at: z.string(),
  deleted_by: z.enum(['tenant', 'operator']),
  erased_after: z.string(),
  slug_freed: z.boolean().describe('Whether somebody else may have the slug once it is erased'),
  erased_at: z.string().optional(),
  erased: Counts.describe('Rows that were erased, by table'),
  sweep: z
    .strictObject({ tables: Counts, streams: Counts, kept: Counts })
    .optional()
    .describe(
      'What was found of it afterwards: rows by table, messages by stream, and rows that the law keeps',
    ),
})

interface Row {
  id: string
  slug: string
  deleted_at: Date
  deleted_by: 'tenant' | 'operator'
  slug_freed: boolean
  erasing_at: Date | null
  erased_at: Date | null
  erased: Record<string, number>
  sweep: NonNullable<z.infer<typeof DeletedTenant>['sweep']> | null
}

export const BY_DELETION = orderBy({ deleted_at: 'timestamptz', id: 'uuid' }, 'desc')

interface Wanted extends Bounds {
  state?: 'deleted' | 'erasing' | 'erased' | undefined
}

export async function listDeletions(
  { state = null, ...bounds }: Omit<Wanted, 'state'> & { state?: Wanted['state'] | null },
  { db, identity }: Pick<Call, 'db' | 'identity'>,
) {
  const rows = db<Row[]>`
    select * from deletions_for_operator(${identity.user}) where ${state}::text is null
      or ${state} = case when erased_at is not null then 'erased' when erasing_at is not null then 'erasing' else 'deleted' end`
  const { page, next_cursor } = await operate(BY_DELETION.readPage(db, rows, bounds))
  return { deletions: page.map(describe), next_cursor }
}

function describe(row: Row): z.infer<typeof DeletedTenant> {
  const { id, slug, deleted_at, deleted_by, slug_freed, erasing_at, erased_at, erased, sweep } = row
  return {
    id,
    slug,
    state: erased_at !== null ? 'erased' : erasing_at !== null ? 'erasing' : 'deleted',
    deleted_at: deleted_at.toISOString(),
    deleted_by,
    erased_after: erasedAfter(deleted_at),
    slug_freed,
    ...(erased_at === null ? {} : { erased_at: erased_at.toISOString() }),
    erased,
    ...(sweep === null ? {} : { sweep }),
  }
}
