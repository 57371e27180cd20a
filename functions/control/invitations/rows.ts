/** Invitations as they are stored and shown: never with their token, of which only the hash is there. */
import type { PendingQuery, Row } from 'postgres'
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import { Failure } from '../../../shared/failures.ts'
import { TENANT_ROLES } from '../../../shared/identity/permissions.ts'

const STATES = ['open', 'accepted', 'revoked', 'expired'] as const
export const State = z.enum(STATES)

export const Invitation = z.strictObject({
  id: z.uuid().describe('Also the id of the person who accepts it'),
  email: z.string(),
  roles: z.array(z.enum(TENANT_ROLES)),
  state: State,
  invited_by: z.uuid().optional(),
  created_at: z.string(),
  expires_at: z.string(),
})

export interface InvitationRow {
  id: string
  email: string
  roles: (typeof TENANT_ROLES)[number][]
  state: (typeof STATES)[number]
  invited_by: string | null
  created_at: Date
  expires_at: Date
}

/** UUIDs of version 7 sort by time. */
export const NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')

export async function listInvitations(
  { state: wanted, ...bounds }: Bounds & { state?: (typeof STATES)[number] | undefined },
  call: Pick<Call, 'db'>,
) {
  const { db } = call
  const state = wanted ?? null
  const where = db`${state}::text is null or ${stateOf(db)} = ${state}`
  const { page, next_cursor } = await NEWEST_FIRST.readPage(db, select(call, where), bounds)
  return { invitations: page.map(describe), next_cursor }
}

/** @throws Failure NOT_FOUND */
export async function findInvitation(id: string, call: Pick<Call, 'db'>): Promise<InvitationRow> {
  const [row] = await select(call, call.db`id = ${id}`)
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', `Cannot find invitation "${id}"`, {
    suggestion: 'GET /v1/invitations lists them',
  })
}

function select({ db }: Pick<Call, 'db'>, where: PendingQuery<Row[]>) {
  return db<InvitationRow[]>`
    select id, email, to_jsonb(roles) as roles, ${stateOf(db)} as state, invited_by, created_at, expires_at
    from invitations where ${where}`
}

function stateOf(db: Call['db']) {
  return db`case when accepted_at is not null then 'accepted' when revoked_at is not null then 'revoked'
    when expires_at <= now() then 'expired' else 'open' end`
}

export function describe(row: InvitationRow): z.infer<typeof Invitation> {
  const { id, email, roles, state, invited_by, created_at, expires_at } = row
  return {
    id,
    email,
    roles,
    state,
    ...(invited_by === null ? {} : { invited_by }),
    created_at: created_at.toISOString(),
    expires_at: expires_at.toISOString(),
  }
}
