/**
 * Exports: everything that a tenant has, as lines of JSON, in pieces that are written one by one and kept for 7 days.
 *
 * Each piece is read at one moment, and the whole is not: what changes while it is written is in it as it was before or after. No
 * row that is there all the while is missing, or there twice. Of a tenant that is deleted nothing changes.
 */
import { z } from 'zod'
import type { Given } from '../../shared/contract/call.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NextCursor } from '../../shared/contract/pages.ts'
import { Pieces } from '../../shared/contract/pieces.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { Failure } from '../../shared/failures.ts'
import { newId } from '../../shared/new-id.ts'
import { recordAudit, type Audited } from './audit/record.ts'
import { readPieces } from './exports/read.ts'
import { describe, Export, findExport, listExports, NEWEST_FIRST } from './exports/rows.ts'

/** Exports of one tenant that are there to be downloaded. */
const MAX_KEPT = 5

const ExportId = z.strictObject({ id: z.uuid() })
const ExportAnswer = z.strictObject({ export: Export })

export const exports = defineOperation({
  name: 'exports',
  summary: 'Copies of all that a tenant has',
  database: 'central',
  scale: { timeoutSeconds: 300 },
  routes: {
    create: route({
      route: 'POST /v1/tenant/exports',
      summary: 'Have a copy of all data of your tenant written; it is there after some minutes, for 7 days',
      permission: 'tenant:admin',
      scopes: ['export:write'],
      needs: ['postgres'],
      input: z.strictObject({}),
      output: ExportAnswer,
      examples: [{ summary: 'Everything', input: {} }],
      writes: true,
      afterDeletion: true,
      status: () => 201,
      statuses: [201],
      handle: (_input, call) => create(call),
    }),

    list: route({
      route: 'GET /v1/tenant/exports',
      summary: 'Exports of your tenant, newest first',
      permission: 'tenant:admin',
      scopes: ['export:read'],
      needs: ['postgres'],
      input: z.strictObject({
        limit: wholeNumber(1, 100).default(20),
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({ exports: z.array(Export), next_cursor: NextCursor }),
      afterDeletion: true,
      handle: (page, call) => listExports(page, call),
    }),

    get: route({
      route: 'GET /v1/tenant/exports/:id',
      summary: 'One export, and what is in it',
      permission: 'tenant:admin',
      scopes: ['export:read'],
      needs: ['postgres'],
      input: ExportId,
      output: ExportAnswer,
      afterDeletion: true,
      handle: async ({ id }, call) => ({ export: describe(await findExport(id, call)) }),
    }),

    download: route({
      route: 'GET /v1/tenant/exports/:id/download',
      summary:
        'The lines of an export: `{"table": "users", "row": {...}}` each; the last one, `{"end": true}`, says that all are there',
      permission: 'tenant:admin',
      scopes: ['export:read'],
      needs: ['postgres'],
      transaction: false,
      input: ExportId,
      output: z.string(),
      format: 'ndjson',
      afterDeletion: true,
      handle: ({ id }, call) => download(id, call),
    }),
  },
})

async function create(call: Audited): Promise<z.infer<typeof ExportAnswer>> {
  const { db, identity } = call
  const [held] = await db<
    { kept: number }[]
  >`select count(*)::int as kept from exports where status = 'ready'`
  if ((held?.kept ?? 0) >= MAX_KEPT) {
    throw new Failure('QUOTA_EXCEEDED', `Cannot export: ${MAX_KEPT} exports are there already`, {
      suggestion: 'Download one of them, or wait until one has expired',
    })
  }
  const id = newId()
  const made = await db`
    insert into exports (id, tenant_id, requested_by) values (${id}, ${identity.tenant}, ${identity.user})
    on conflict do nothing returning id`
  if (made.length === 0) {
    throw new Failure('STATE_CONFLICT', 'Cannot export: an export is being written', {
      suggestion: 'GET /v1/tenant/exports shows how far it is',
    })
  }
  recordAudit(call, 'tenant.export_requested', id)
  return { export: describe(await findExport(id, call)) }
}

/** @throws Failure NOT_FOUND; STATE_CONFLICT where it is not there yet, or no longer */
async function download(id: string, { transact }: Given<'postgres', 'caller'>): Promise<string> {
  const row = await transact('read', (call) => findExport(id, call))
  const { status } = describe(row)
  if (status !== 'ready') {
    throw new Failure('STATE_CONFLICT', `Cannot download export "${id}": it is ${status}`, {
      suggestion: 'GET the export to see when it is ready, or POST another one',
      details: { status },
    })
  }
  return Pieces.asText(readPieces(id, row.pieces, transact))
}
