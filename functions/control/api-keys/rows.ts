/** API keys as they are stored and shown: never with their secret, nor with anything from which it could be derived. */
import type { PendingQuery, Row } from 'postgres'
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import { Failure } from '../../../shared/failures.ts'
import { ROLES, type Role } from '../../../shared/identity/permissions.ts'

const Owner = z.strictObject({
  kind: z.enum(['person', 'tenant']),
  id: z.uuid().describe('Who acts by the key: a person, or the service that the tenant has by it'),
  name: z.string(),
  roles: z.array(z.enum(ROLES)).describe('What it may do now'),
})

export const ApiKey = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  prefix: z.string().describe('The beginning of the key, by which a person recognises it'),
  owner: Owner,
  scopes: z
    .array(z.string())
    .optional()
    .describe('What it is narrowed to; absent is all that its owner may do'),
  rate_limit_rpm: z.int().optional(),
  created_at: z.string(),
  created_by: z.uuid().optional(),
  expires_at: z.string().optional(),
  last_used_at: z.string().optional().describe('To the minute, or a little later'),
  rotation: z.int().describe('How often its secret was replaced'),
  rotated_at: z.string().optional(),
  previous_until: z.string().optional().describe('Until when the secret before is good as well'),
  revoked_at: z.string().optional(),
})

export interface KeyRow {
  id: string
  name: string
  key_prefix: string
  user_id: string
  owner_kind: 'person' | 'service'
  owner_name: string
  owner_roles: Role[]
  scopes: string[] | null
  rate_per_minute: number | null
  created_at: Date
  created_by: string | null
  expires_at: Date | null
  last_used_at: Date | null
  rotation: number
  rotated_at: Date | null
  previous_until: Date | null
  revoked_at: Date | null
}

/** UUIDs of version 7 sort by time. */
export const NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')

interface Wanted extends Bounds {
  /** All of the tenant, or those of the caller. */
  all: boolean
  revoked: boolean
}

export async function listKeys({ all, revoked, ...bounds }: Wanted, call: Pick<Call, 'db' | 'identity'>) {
  const { db, identity } = call
  const where = db`(${all} or k.user_id = ${identity.user}) and (${revoked} or k.revoked_at is null)`
  const { page, next_cursor } = await NEWEST_FIRST.readPage(db, select(call, where), bounds)
  return { api_keys: page.map(describe), next_cursor }
}

/**
 * @param all whether a key of somebody else counts
 * @throws Failure NOT_FOUND
 */
export async function findKey(
  id: string,
  all: boolean,
  call: Pick<Call, 'db' | 'identity'>,
): Promise<KeyRow> {
  const { db, identity } = call
  const [row] = await select(call, db`k.id = ${id} and (${all} or k.user_id = ${identity.user})`)
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', `Cannot find API key "${id}"`, {
    suggestion: 'GET /v1/api-keys lists your keys',
  })
}

function select({ db }: Pick<Call, 'db'>, where: PendingQuery<Row[]>) {
  return db<KeyRow[]>`
    select k.id, k.name, k.key_prefix, k.user_id, u.kind as owner_kind, u.name as owner_name,
      to_jsonb(u.roles) as owner_roles, k.scopes, k.rate_per_minute, k.created_at, k.created_by, k.expires_at,
      k.last_used_at, k.rotation, k.rotated_at, k.previous_until, k.revoked_at
    from api_keys k join users u on u.id = k.user_id where ${where}`
}

export function describe(row: KeyRow): z.infer<typeof ApiKey> {
  const { id, name, key_prefix: prefix, rotation, scopes, rate_per_minute, created_by } = row
  return {
    id,
    name,
    prefix,
    owner: {
      kind: row.owner_kind === 'person' ? 'person' : 'tenant',
      id: row.user_id,
      name: row.owner_name,
      roles: row.owner_roles,
    },
    ...(scopes === null ? {} : { scopes }),
    ...(rate_per_minute === null ? {} : { rate_limit_rpm: rate_per_minute }),
    created_at: row.created_at.toISOString(),
    ...(created_by === null ? {} : { created_by }),
    ...timesOf(row),
    rotation,
  }
}

/** Those of its times that there are. */
function timesOf({ expires_at, last_used_at, rotated_at, previous_until, revoked_at }: KeyRow) {
  const isOverlapping = previous_until !== null && previous_until.getTime() > Date.now()
  return {
    ...(expires_at === null ? {} : { expires_at: expires_at.toISOString() }),
    ...(last_used_at === null ? {} : { last_used_at: last_used_at.toISOString() }),
    ...(rotated_at === null ? {} : { rotated_at: rotated_at.toISOString() }),
    ...(isOverlapping ? { previous_until: previous_until.toISOString() } : {}),
    ...(revoked_at === null ? {} : { revoked_at: revoked_at.toISOString() }),
  }
}
