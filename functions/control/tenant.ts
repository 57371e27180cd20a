/** The caller's own tenant: its plan, what that allows, and how it stands. */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { TOKENS_PER_MONTH } from '../../shared/plans/allowance.ts'
import { HOLDINGS } from '../../shared/plans/holdings.ts'
import { RATE_LIMITS } from '../../shared/plans/rate-limits.ts'
import { SEATS } from '../../shared/plans/seats.ts'
import { TIERS, type Tier } from '../../shared/plans/tiers.ts'
import { recordAudit, type Audited } from './audit/record.ts'

const Limit = z.int().nullable().describe('Null is without limit')

const Tenant = z.strictObject({
  id: z.uuid(),
  slug: z.string(),
  name: z.string(),
  tier: z.enum(TIERS),
  status: z.string(),
  created_at: z.string(),
  seats_used: z.int(),
  limits: z.strictObject({
    requests_per_minute: z.int(),
    requests_per_hour: z.int(),
    tokens_per_month: Limit,
    seats: Limit,
    agents: Limit,
    entities: Limit,
    tools: Limit,
  }),
})
const TenantAnswer = z.strictObject({ tenant: Tenant })

/** A tenant's name, as people read it. */
export const TenantName = z.string().trim().min(1).max(200)

export const tenant = defineOperation({
  name: 'tenant',
  summary: 'Your own tenant',
  database: 'central',
  routes: {
    get: route({
      route: 'GET /v1/tenant',
      summary: 'Your tenant, its plan and its limits',
      permission: 'agentese:read',
      scopes: ['tenant:read'],
      needs: ['postgres'],
      input: z.strictObject({}),
      output: TenantAnswer,
      handle: async (_input, call) => ({ tenant: await read(call) }),
    }),

    rename: route({
      route: 'PATCH /v1/tenant',
      summary: 'Give your tenant another name; its slug stays',
      permission: 'tenant:admin',
      scopes: ['tenant:write'],
      needs: ['postgres'],
      input: z.strictObject({ name: TenantName }),
      output: TenantAnswer,
      examples: [{ summary: 'After a merger', input: { name: 'Acme and Globex' } }],
      writes: true,
      handle: ({ name }, call) => rename(name, call),
    }),
  },
})

async function rename(name: string, call: Audited): Promise<z.infer<typeof TenantAnswer>> {
  const before = await read(call)
  await call.db`update tenants set name = ${name} where id = ${call.identity.tenant}`
  recordAudit(call, 'tenant.renamed', call.identity.tenant, { from: before.name, to: name })
  return { tenant: { ...before, name } }
}

interface TenantRow {
  id: string
  slug: string
  name: string
  tier: Tier
  status: string
  created_at: Date
  seats_used: number
}

async function read({ db }: Pick<Call, 'db'>): Promise<z.infer<typeof Tenant>> {
  const [row] = await db<[TenantRow]>`
    select id, slug, name, tier, status, created_at,
      (select count(*)::int from users where kind = 'person' and removed_at is null) as seats_used
    from tenants`
  return { ...row, created_at: row.created_at.toISOString(), limits: limitsOf(row.tier) }
}

function limitsOf(tier: Tier): z.infer<typeof Tenant>['limits'] {
  const { perMinute, perHour } = RATE_LIMITS[tier]
  return {
    requests_per_minute: perMinute,
    requests_per_hour: perHour,
    tokens_per_month: TOKENS_PER_MONTH[tier],
    seats: SEATS[tier],
    agents: HOLDINGS.agent[tier],
    entities: HOLDINGS.entity[tier],
    tools: HOLDINGS.tool[tier],
  }
}
