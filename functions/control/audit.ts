/**
 * The audit: who did what to a tenant's people, keys and standing. Records are never changed, and each hash covers the one
 * before it; `audit/verify.ts` checks a copy without the platform.
 */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NextCursor, orderBy, type Bounds } from '../../shared/contract/pages.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { Instant } from '../../shared/instant.ts'
import { ACTIONS } from './audit/record.ts'

/** Records of one export. */
const MAX_EXPORTED = 1000

const Actor = z.looseObject({
  user: z.uuid().nullable(),
  roles: z.array(z.string()).optional(),
  key: z.string().optional().describe('The API key behind the call'),
  address: z.string().optional().describe('IP address that the call came from'),
})

const Entry = z.strictObject({
  seq: z.int(),
  at: z.string(),
  actor: Actor,
  action: z.string(),
  target: z.string(),
  details: z.record(z.string(), z.unknown()),
  hash: z.string(),
})

const NEWEST_FIRST = orderBy({ seq: 'bigint' }, 'desc')

interface AuditRow {
  seq: string
  record: string
  previous: string
  hash: string
}

export const audit = defineOperation({
  name: 'audit',
  summary: "Who did what to a tenant's people, keys and standing",
  database: 'central',
  routes: {
    list: route({
      route: 'GET /v1/audit',
      summary: 'What was done in your tenant, newest first',
      permission: 'tenant:admin',
      scopes: ['audit:read'],
      needs: ['postgres'],
      input: z.strictObject({
        action: z.enum(ACTIONS).optional(),
        actor: z.uuid().optional(),
        target: z.string().max(100).optional(),
        since: Instant.optional(),
        until: Instant.optional(),
        limit: wholeNumber(1, 100).default(20),
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({ audit: z.array(Entry), next_cursor: NextCursor }),
      examples: [{ summary: 'Which keys were revoked', input: { action: 'api_key.revoked' } }],
      handle: (wanted, call) => list(wanted, call),
    }),

    export: route({
      route: 'GET /v1/audit/export',
      summary: 'A copy of the audit, oldest first: page by page, each of which can be verified',
      permission: 'tenant:admin',
      scopes: ['audit:read'],
      needs: ['postgres'],
      input: z.strictObject({
        after: wholeNumber(0).default(0).describe('The number of the record before the page'),
        limit: wholeNumber(1, MAX_EXPORTED).default(MAX_EXPORTED),
      }),
      output: z.strictObject({
        tenant: z.uuid(),
        records: z.array(
          z.strictObject({
            record: z.string().describe('JSON, as it was hashed'),
            previous: z.string(),
            hash: z.string().describe('SHA-256 of the bytes of `previous` and of `record`'),
          }),
        ),
        next_after: z.int().nullable().describe('`after` of the next page; null on the last one'),
      }),
      handle: (wanted, call) => exportPage(wanted, call),
    }),
  },
})

interface Wanted extends Bounds {
  action?: string | undefined
  actor?: string | undefined
  target?: string | undefined
  since?: string | undefined
  until?: string | undefined
}

async function list(wanted: Wanted, { db }: Pick<Call, 'db'>) {
  const { action = null, actor = null, target = null, since = null, until = null, ...bounds } = wanted
  const rows = db<AuditRow[]>`
    select seq, record, encode(previous, 'hex') as previous, encode(hash, 'hex') as hash from audit
    where (${action}::text is null or action = ${action}) and (${actor}::uuid is null or actor = ${actor})
      and (${target}::text is null or target = ${target})
      and (${since}::timestamptz is null or at >= ${since}) and (${until}::timestamptz is null or at < ${until})`
  const { page, next_cursor } = await NEWEST_FIRST.readPage(db, rows, bounds)
  return { audit: page.map(toEntry), next_cursor }
}

function toEntry({ record, hash }: AuditRow): z.infer<typeof Entry> {
  const { tenant: _tenant, ...said } = JSON.parse(record) as Omit<z.infer<typeof Entry>, 'hash'> & {
    tenant: string
  }
  return { ...said, hash }
}

async function exportPage(
  { after, limit }: { after: number; limit: number },
  { db, identity: { tenant } }: Pick<Call, 'db' | 'identity'>,
) {
  const rows = await db<AuditRow[]>`
    select seq, record, encode(previous, 'hex') as previous, encode(hash, 'hex') as hash from audit
    where seq > ${after} order by seq limit ${limit + 1}`
  const page = rows.slice(0, limit)
  return {
    tenant,
    records: page.map(({ record, previous, hash }) => ({ record, previous, hash })),
    next_after: rows.length > limit ? Number(page.at(-1)?.seq) : null,
  }
}
