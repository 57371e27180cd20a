/** Tenants as operators see them. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import { Failure } from '../../../shared/failures.ts'
import { TIERS, type Tier } from '../../../shared/plans/tiers.ts'
import { operate } from './operate.ts'

export const Tenant = z.strictObject({
  id: z.uuid(),
  slug: z.string(),
  name: z.string(),
  tier: z.enum(TIERS),
  plan_version: z.int(),
  status: z.string().describe('How its subscription stands'),
  created_at: z.string(),
  people: z.int(),
  suspended_at: z.string().optional(),
  suspended_reason: z.string().optional(),
})

export interface TenantRow {
  id: string
  slug: string
  name: string
  tier: Tier
  plan_version: number
  status: string
  created_at: Date
  people: number
  suspended_at: Date | null
  suspended_reason: string | null
}

export const BY_SLUG = orderBy({ slug: 'text' }, 'asc')

interface Wanted extends Bounds {
  slug?: string | undefined
  tier?: Tier | undefined
  suspended?: boolean | undefined
}

export async function listTenants(wanted: Wanted, { db, identity }: Pick<Call, 'db' | 'identity'>) {
  const { slug = '', tier = null, suspended = null, ...bounds } = wanted
  const rows = db<TenantRow[]>`
    select * from tenants_for_operator(${identity.user})
    where starts_with(slug, ${slug}) and (${tier}::text is null or tier = ${tier})
      and (${suspended}::boolean is null or (suspended_at is not null) = ${suspended})`
  const { page, next_cursor } = await operate(BY_SLUG.readPage(db, rows, bounds))
  return { tenants: page.map(describe), next_cursor }
}

/** @throws Failure NOT_FOUND */
export async function findTenant(
  id: string,
  { db, identity }: Pick<Call, 'db' | 'identity'>,
): Promise<z.infer<typeof Tenant>> {
  const [row] = await operate(db<TenantRow[]>`
    select * from tenants_for_operator(${identity.user}) where id = ${id}`)
  if (row !== undefined) return describe(row)
  throw new Failure('NOT_FOUND', `Cannot find tenant "${id}"`, {
    suggestion: 'GET /v1/operator/tenants lists them',
  })
}

function describe(row: TenantRow): z.infer<typeof Tenant> {
  const { id, slug, name, tier, plan_version, status, people, suspended_at, suspended_reason } = row
  return {
    id,
    slug,
    name,
    tier,
    plan_version,
    status,
    created_at: row.created_at.toISOString(),
    people,
    ...(suspended_at === null ? {} : { suspended_at: suspended_at.toISOString() }),
    ...(suspended_reason === null ? {} : { suspended_reason }),
  }
}
