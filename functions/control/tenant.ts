/**
 * The caller's own tenant: its plan, what that allows, and how it stands; its deletion, and what undoes it. Its tick does what is
 * left for tenants that come and go: steps of provisioning, jobs of deleted ones, pieces of exports, domains to check again.
 */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route, tick } from '../../shared/contract/define-operation.ts'
import { TOKENS_PER_MONTH } from '../../shared/plans/allowance.ts'
import { HOLDINGS } from '../../shared/plans/holdings.ts'
import { RATE_LIMITS } from '../../shared/plans/rate-limits.ts'
import { SEATS } from '../../shared/plans/seats.ts'
import { TIERS, type Tier } from '../../shared/plans/tiers.ts'
import { provision } from '../../shared/tenancy/provisioning.ts'
import { Slug } from '../../shared/tenancy/slugs.ts'
import { recordAudit, type Audited } from './audit/record.ts'
import { checkDueDomains } from './domains/recheck.ts'
import { continueExports } from './exports/write.ts'
import { TenantName } from './tenant-name.ts'
import { cancelJobs } from './tenant/cancel-jobs.ts'
import { Deletion, deleteOwn, restoreOwn } from './tenant/deletion.ts'

const Limit = z.int().nullable().describe('Null is without limit')

const Tenant = z.strictObject({
  id: z.uuid(),
  slug: z.string(),
  name: z.string(),
  tier: z.enum(TIERS),
  status: z.string(),
  state: z
    .enum(['provisioning', 'ready'])
    .describe('`provisioning` while something that it is given is missing'),
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

export const tenant = defineOperation({
  name: 'tenant',
  summary: 'Your own tenant',
  // Its tick takes several tenants, one after the other.
  scale: { timeoutSeconds: 120 },
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

    delete: route({
      route: 'DELETE /v1/tenant',
      summary:
        'Delete your tenant: from now on everything is refused but restoring it and taking its data along, and after 30 days all of it is erased',
      permission: 'tenant:admin',
      scopes: ['tenant:delete'],
      needs: ['postgres', 'events', 'jobs'],
      input: z.strictObject({
        slug: Slug.describe('The slug of your tenant, so that nothing is deleted by mistake'),
      }),
      output: z.strictObject({ deletion: Deletion }),
      examples: [{ summary: 'We leave', input: { slug: 'acme' } }],
      writes: true,
      handle: ({ slug }, call) => deleteOwn(slug, call),
    }),

    restore: route({
      route: 'POST /v1/tenant/restore',
      summary: 'Undo the deletion of your tenant, with an API key of it; until its erasure has begun',
      permission: 'tenant:admin',
      scopes: ['tenant:write'],
      needs: ['postgres', 'events'],
      input: z.strictObject({}),
      output: TenantAnswer,
      examples: [{ summary: 'We stay', input: {} }],
      writes: true,
      afterDeletion: true,
      async handle(_input, call) {
        await restoreOwn(call)
        return { tenant: await read(call) }
      },
    }),
  },

  tick: tick({
    tenants: 'tenants_with_tenancy_work',
    needs: ['postgres', 'events', 'jobs', 'outside'],
    transaction: false,
    async handle(call) {
      // None of them keeps the others from their turn.
      const work = [
        () => provision(call.transact),
        () => call.transact('write', cancelJobs),
        () => continueExports(call),
        () => checkDueDomains(call),
      ]
      for (const each of work)
        await each().catch((error: unknown) =>
          call.log.error({ err: error, tenant: call.identity.tenant }, 'a part of a tick failed'),
        )
    },
  }),
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
  state: 'provisioning' | 'ready'
}

async function read({ db }: Pick<Call, 'db'>): Promise<z.infer<typeof Tenant>> {
  const [row] = await db<[TenantRow]>`
    select id, slug, name, tier, status, created_at,
      (select count(*)::int from users where kind = 'person' and removed_at is null) as seats_used,
      case when exists (select from provisioning_steps where done_at is null) then 'provisioning' else 'ready' end as state
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
