/**
 * The caller's own tenant: its plan, what that allows, and how it stands; its deletion, and what undoes it. Its tick does what is
 * left for tenants that come and go: steps of provisioning, jobs of deleted ones, pieces of exports, domains to check again.
 */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { requireAny } from '../../shared/contract/constraints.ts'
import { defineOperation, route, tick } from '../../shared/contract/define-operation.ts'
import { requirePermission } from '../../shared/pipeline/check-access.ts'
import { readPlan, type PlanRow } from '../../shared/plans/plan-row.ts'
import { TIERS, type Tier } from '../../shared/plans/tiers.ts'
import { provision } from '../../shared/tenancy/provisioning.ts'
import { Slug } from '../../shared/tenancy/slugs.ts'
import { recordAudit, type Audited } from './audit/record.ts'
import { checkDueDomains } from './domains/recheck.ts'
import { continueExports } from './exports/write.ts'
import { TenantName } from './tenant-name.ts'
import { cancelJobs } from './tenant/cancel-jobs.ts'
import { Deletion, deleteOwn, restoreOwn } from './tenant/deletion.ts'
import { Features, limitsOf, PlanLimits, Used, usedBy } from './tenant/entitlements.ts'

const Tenant = z.strictObject({
  id: z.uuid(),
  slug: z.string(),
  name: z.string(),
  tier: z.enum(TIERS).describe('The plan'),
  plan_version: z.int().describe('The version of the plan that was bought'),
  overage_allowed: z
    .boolean()
    .describe('Whether use past what is included goes on, at the prices of the plan'),
  status: z.string(),
  state: z
    .enum(['provisioning', 'ready'])
    .describe('`provisioning` while something that it is given is missing'),
  created_at: z.string(),
  limits: PlanLimits,
  features: Features,
  used: Used,
})
const TenantAnswer = z.strictObject({ tenant: Tenant })

const Changes = requireAny(
  z.strictObject({ name: TenantName.optional(), overage_allowed: z.boolean().optional() }),
  ['name', 'overage_allowed'],
  'name or overage_allowed is required',
)

export const tenant = defineOperation({
  name: 'tenant',
  summary: 'Your own tenant',
  database: 'central',
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

    change: route({
      route: 'PATCH /v1/tenant',
      summary: 'Give your tenant another name, or allow use past what its plan includes; its slug stays',
      permission: 'tenant:admin',
      scopes: ['tenant:write'],
      needs: ['postgres'],
      input: Changes,
      output: TenantAnswer,
      examples: [
        { summary: 'After a merger', input: { name: 'Acme and Globex' } },
        { summary: 'Rather pay than stop', input: { overage_allowed: true } },
      ],
      writes: true,
      handle: (changes, call) => change(changes, call),
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
        () => call.inOwn('write', cancelJobs),
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

async function change(
  changes: z.infer<typeof Changes>,
  call: Audited,
): Promise<z.infer<typeof TenantAnswer>> {
  const { db, identity } = call
  const before = await read(call)
  const { name = before.name, overage_allowed = before.overage_allowed } = changes
  if (name !== before.name) {
    await db`update tenants set name = ${name} where id = ${identity.tenant}`
    recordAudit(call, 'tenant.renamed', identity.tenant, { from: before.name, to: name })
  }
  if (overage_allowed !== before.overage_allowed) {
    requirePermission('tenant.change', 'billing:manage', identity)
    await db`update tenants set overage_allowed = ${overage_allowed} where id = ${identity.tenant}`
    recordAudit(call, 'tenant.overage_changed', identity.tenant, { allowed: overage_allowed })
  }
  return { tenant: { ...before, name, overage_allowed } }
}

interface TenantRow {
  id: string
  slug: string
  name: string
  tier: Tier
  plan_version: number
  overage_allowed: boolean
  status: string
  created_at: Date
  state: 'provisioning' | 'ready'
}

async function read(call: Pick<Call, 'db'>): Promise<z.infer<typeof Tenant>> {
  const [row] = await call.db<[TenantRow]>`
    select id, slug, name, tier, plan_version, overage_allowed, status, created_at,
      case when exists (select from provisioning_steps where done_at is null) then 'provisioning' else 'ready' end as state
    from tenants`
  // As it is now: the caller's may be that of some seconds ago.
  const [bought] = await call.db<[PlanRow]>`
    select * from plans where id = ${row.tier} and version = ${row.plan_version}`
  const plan = readPlan(bought)
  return {
    ...row,
    created_at: row.created_at.toISOString(),
    limits: limitsOf(plan),
    features: plan.features,
    used: await usedBy(call),
  }
}
