/**
 * Tenants, for the operators of the platform: who they are and how they stand, never what is in them. That the caller is an
 * operator is checked by the contract, and again by the functions of the database through which each call goes.
 */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NextCursor } from '../../shared/contract/pages.ts'
import { Flag, wholeNumber } from '../../shared/contract/query-values.ts'
import { CREDENTIALS_REVOKED } from '../../shared/events/credentials.ts'
import { Failure } from '../../shared/failures.ts'
import { createInvitationToken } from '../../shared/identity/invitations.ts'
import { newId } from '../../shared/new-id.ts'
import { TIERS } from '../../shared/plans/tiers.ts'
import { Slug } from '../../shared/tenancy/slugs.ts'
import { STEP_NAMES } from '../../shared/tenancy/step-names.ts'
import { actorFacts, type Audited } from './audit/record.ts'
import { Address } from './members/rows.ts'
import { showOnce, withSecrets } from './shown-once.ts'
import { TenantName } from './tenant-name.ts'
import { operate } from './tenants/operate.ts'
import { deleteTenant, restoreTenant } from './tenants/delete.ts'
import { BY_DELETION, DeletedTenant, listDeletions } from './tenants/deletions.ts'
import { listProvisioning, NEWEST_TENANT, Provisioning } from './tenants/provisioning.ts'
import { BY_SLUG, findTenant, listTenants, Tenant } from './tenants/rows.ts'

const GOOD_DAYS = 7

const TenantId = z.strictObject({ id: z.uuid() })
const TenantAnswer = z.strictObject({ tenant: Tenant })
type TenantAnswer = z.infer<typeof TenantAnswer>

const NewTenant = z.strictObject({
  slug: Slug.describe('Stays; no two tenants have the same'),
  name: TenantName,
  tier: z.enum(TIERS),
  admin_email: Address.describe('Who is invited as the first admin'),
})

interface Made extends TenantAnswer {
  invitation: string
  token?: string | undefined
}

export const tenants = defineOperation({
  name: 'tenants',
  summary: 'Makes, shows, suspends, resumes and deletes tenants, for operators of the platform',
  database: 'central',
  routes: {
    list: route({
      route: 'GET /v1/operator/tenants',
      summary: 'All tenants by their slugs',
      permission: 'platform:operate',
      scopes: ['platform_tenant:read'],
      needs: ['postgres'],
      input: z.strictObject({
        slug: z.string().max(63).optional().describe('Beginning of slugs'),
        tier: z.enum(TIERS).optional(),
        suspended: Flag.optional(),
        limit: wholeNumber(1, 100).default(20),
        cursor: BY_SLUG.Cursor.optional(),
      }),
      output: z.strictObject({ tenants: z.array(Tenant), next_cursor: NextCursor }),
      handle: (wanted, call) => listTenants(wanted, call),
    }),

    get: route({
      route: 'GET /v1/operator/tenants/:id',
      summary: 'One tenant',
      permission: 'platform:operate',
      scopes: ['platform_tenant:read'],
      needs: ['postgres'],
      input: TenantId,
      output: TenantAnswer,
      handle: async ({ id }, call) => ({ tenant: await findTenant(id, call) }),
    }),

    create: route({
      route: 'POST /v1/operator/tenants',
      summary: 'Make a tenant; the token that is shown here makes its holder the first admin, for 7 days',
      permission: 'platform:operate',
      scopes: ['platform_tenant:write'],
      needs: ['postgres'],
      input: NewTenant,
      output: TenantAnswer.extend({
        invitation: z.uuid(),
        token: z.string().optional().describe('Shown once: absent where the answer is a repetition'),
      }),
      reveal: (kept: Made) => withSecrets(kept),
      examples: [
        {
          summary: 'A new customer',
          input: { slug: 'initech', name: 'Initech', tier: 'pro', admin_email: 'bill@initech.example' },
        },
      ],
      writes: true,
      status: () => 201,
      statuses: [201],
      handle: (wanted, call) => create(wanted, call),
    }),

    suspend: route({
      route: 'POST /v1/operator/tenants/:id/suspend',
      summary:
        'Suspend a tenant: its credentials are refused within 5 seconds, its schedules and webhooks pause',
      permission: 'platform:operate',
      scopes: ['platform_tenant:write'],
      needs: ['postgres', 'events'],
      input: TenantId.extend({
        reason: z.string().trim().min(1).max(500).describe('Also for the audit of the tenant'),
      }),
      output: TenantAnswer,
      examples: [
        {
          summary: 'Until it pays',
          input: { id: '019a0000-0000-7000-8000-000000000000', reason: 'Three invoices are unpaid' },
        },
      ],
      writes: true,
      handle: ({ id, reason }, call) => setSuspended(id, reason, call),
    }),

    resume: route({
      route: 'POST /v1/operator/tenants/:id/resume',
      summary: 'Resume a tenant that was suspended; what was due meanwhile is done',
      permission: 'platform:operate',
      scopes: ['platform_tenant:write'],
      needs: ['postgres', 'events'],
      input: TenantId,
      output: TenantAnswer,
      writes: true,
      handle: ({ id }, call) => setSuspended(id, null, call),
    }),

    delete: route({
      route: 'DELETE /v1/operator/tenants/:id',
      summary:
        'Delete a tenant: refused at once, erased after 30 days, restored by operators alone until then',
      permission: 'platform:operate',
      scopes: ['platform_tenant:delete'],
      needs: ['postgres', 'events'],
      input: TenantId.extend({
        slug: Slug.describe('The slug of that tenant, so that nothing is deleted by mistake'),
        keep_slug: Flag.default(false).describe('Whether nobody else gets the slug afterwards'),
      }),
      output: TenantAnswer,
      examples: [
        {
          summary: 'A customer that has left',
          input: { id: '019a0000-0000-7000-8000-000000000000', slug: 'initech' },
        },
      ],
      writes: true,
      handle: (wanted, call) => deleteTenant(wanted, call),
    }),

    restore: route({
      route: 'POST /v1/operator/tenants/:id/restore',
      summary: 'Undo the deletion of a tenant, until its erasure has begun',
      permission: 'platform:operate',
      scopes: ['platform_tenant:write'],
      needs: ['postgres', 'events'],
      input: TenantId,
      output: TenantAnswer,
      writes: true,
      handle: ({ id }, call) => restoreTenant(id, call),
    }),

    deletions: route({
      route: 'GET /v1/operator/deletions',
      summary: 'Tenants that are deleted, and what their erasure has left of them, by when they were deleted',
      permission: 'platform:operate',
      scopes: ['platform_tenant:read'],
      needs: ['postgres'],
      input: z.strictObject({
        state: z.enum(['deleted', 'erasing', 'erased']).optional(),
        limit: wholeNumber(1, 100).default(20),
        cursor: BY_DELETION.Cursor.optional(),
      }),
      output: z.strictObject({ deletions: z.array(DeletedTenant), next_cursor: NextCursor }),
      handle: (wanted, call) => listDeletions(wanted, call),
    }),

    provisioning: route({
      route: 'GET /v1/operator/provisioning',
      summary: 'How far each tenant is with what it is given at the start, newest first',
      permission: 'platform:operate',
      scopes: ['platform_tenant:read'],
      needs: ['postgres'],
      input: z.strictObject({
        state: z.enum(['provisioning', 'ready']).optional(),
        limit: wholeNumber(1, 100).default(20),
        cursor: NEWEST_TENANT.Cursor.optional(),
      }),
      output: z.strictObject({ provisioning: z.array(Provisioning), next_cursor: NextCursor }),
      handle: (wanted, call) => listProvisioning(wanted, call),
    }),
  },
})

async function create(wanted: z.infer<typeof NewTenant>, call: Audited): Promise<Made> {
  const { db, identity } = call
  const { slug, name, tier, admin_email } = wanted
  const [id, invitation] = [newId(), newId()]
  const { token, hash } = createInvitationToken()
  const [made] = await operate(db<{ done: boolean }[]>`
    select create_tenant_for_operator(${identity.user}, ${db.json(actorFacts(call))}, ${id}, ${slug}, ${name}, ${tier},
      ${invitation}, ${admin_email}, ${hash}, ${GOOD_DAYS}) as done`)
  if (made?.done !== true) {
    throw new Failure('STATE_CONFLICT', `Cannot make tenant "${slug}": the slug is taken`, {
      suggestion: 'Choose another slug',
    })
  }
  await db`select begin_provisioning(${id}, ${db.json(STEP_NAMES)})`
  return showOnce({ tenant: await findTenant(id, call), invitation }, { token })
}

/** @param reason null resumes it */
async function setSuspended(
  id: string,
  reason: string | null,
  call: Audited & Pick<Call, 'emit'>,
): Promise<TenantAnswer> {
  const { db, identity, emit } = call
  const before = await findTenant(id, call)
  const [changed] = await operate(db<{ done: boolean }[]>`
    select suspend_for_operator(${identity.user}, ${db.json(actorFacts(call))}, ${id}, ${reason}) as done`)
  if (changed?.done !== true) {
    const why = id === identity.tenant ? 'it is the one of the operators' : 'it stands so already'
    throw new Failure(
      'STATE_CONFLICT',
      `Cannot ${reason === null ? 'resume' : 'suspend'} "${before.slug}": ${why}`,
      {
        suggestion: 'GET the tenant to see how it stands',
      },
    )
  }
  // Parts that keep connections of the tenant open, or its webhooks, look again.
  emit(CREDENTIALS_REVOKED, { tenant: id })
  return { tenant: await findTenant(id, call) }
}
