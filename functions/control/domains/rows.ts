/** Domains as they are stored and shown. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'
import { METHODS, placesOf, type Method } from '../../../shared/tenancy/domain-proof.ts'

/** An admin is made by an admin, and not by a domain. */
const JOIN_ROLES = ['viewer', 'developer'] as const

export const JoinRoles = z
  .array(z.enum(JOIN_ROLES))
  .min(1)
  .max(JOIN_ROLES.length)
  .nullable()
  .describe('Roles of those who join by a verified address of the domain; null is that nobody does')

export const Domain = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  status: z
    .enum(['pending', 'verified', 'failing', 'lapsed'])
    .describe('`failing`: the last check found no proof'),
  challenge: z.string(),
  dns_record: z.string().describe('Name of the TXT record that may have the challenge'),
  file_url: z.string().describe('Address of the file that may have the challenge'),
  method: z.enum(METHODS).optional().describe('Where the proof was found'),
  join_roles: JoinRoles,
  created_at: z.string(),
  verified_at: z.string().optional(),
  checked_at: z.string().optional(),
})

export interface DomainRow {
  id: string
  name: string
  challenge: string
  join_roles: (typeof JOIN_ROLES)[number][] | null
  created_at: Date
  verified_at: Date | null
  method: Method | null
  checked_at: Date | null
  failures: number
}

const COLUMNS = `id, name, challenge, to_jsonb(join_roles) as join_roles, created_at, verified_at, method, checked_at, failures`

/** No tenant has more than a few. */
export function listDomains({ db }: Pick<Call, 'db'>) {
  return db<DomainRow[]>`select ${db.unsafe(COLUMNS)} from domains order by name`
}

/** @throws Failure NOT_FOUND */
export async function findDomain(id: string, { db }: Pick<Call, 'db'>): Promise<DomainRow> {
  const [row] = await db<DomainRow[]>`select ${db.unsafe(COLUMNS)} from domains where id = ${id}`
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', `Cannot find domain "${id}"`, { suggestion: 'GET /v1/domains lists yours' })
}

export function describe(row: DomainRow): z.infer<typeof Domain> {
  const { id, name, challenge, join_roles, method, verified_at, checked_at } = row
  const { dns, file } = placesOf(name)
  return {
    id,
    name,
    status: statusOf(row),
    challenge,
    dns_record: dns,
    file_url: file,
    ...(method === null ? {} : { method }),
    join_roles,
    created_at: row.created_at.toISOString(),
    ...(verified_at === null ? {} : { verified_at: verified_at.toISOString() }),
    ...(checked_at === null ? {} : { checked_at: checked_at.toISOString() }),
  }
}

function statusOf({ verified_at, failures }: DomainRow): z.infer<typeof Domain>['status'] {
  if (verified_at !== null) return failures === 0 ? 'verified' : 'failing'
  return failures > 0 ? 'lapsed' : 'pending'
}
