/**
 * The plans: what can be bought, for everybody; and for operators of the platform, another version of a plan and the plan of a
 * tenant. A version never changes, so making one changes nobody's plan: tenants keep the version that they bought.
 */
import { z } from 'zod'
import { NoInput } from '../../shared/contract/define-node.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { TIERS } from '../../shared/plans/tiers.ts'
import { makePlan, setPlan } from './plans/operate.ts'
import { NewPlan, ShownPlan, showPlan } from './plans/shapes.ts'
import { Tenant } from './tenants/rows.ts'

const EXAMPLE: z.input<typeof NewPlan> = {
  id: 'starter',
  name: 'Starter',
  price_month_cents: 3900,
  price_year_cents: 42_000,
  trial_days: 14,
  limits: {
    requests_per_minute: 300,
    requests_per_hour: 10_000,
    requests_at_once: 50,
    api_calls_per_day: 2000,
    tokens_per_month: 200_000,
    sessions_per_month: 100,
    agents: 5,
    entities: 10_000,
    tools: 25,
    subscriptions: 20,
    seats: 2,
    storage_bytes: 1_000_000_000,
    audit_days: 90,
  },
  features: ['soul.reflect', 'soul.advise'],
  overage: { tokens: { cents: '0.9', per: 1000 } },
  effective_at: '2100-01-01T00:00:00Z',
}

export const plans = defineOperation({
  name: 'plans',
  summary: 'The plans that tenants can be on',
  database: 'central',
  routes: {
    list: route({
      route: 'GET /v1/plans',
      summary: 'The plans on offer, from the smallest to the largest',
      auth: 'none',
      needs: ['plans'],
      input: NoInput,
      maxAgeSeconds: 60,
      output: z.strictObject({ plans: z.array(ShownPlan) }),
      handle: async (_input, { offeredPlans }) => ({ plans: (await offeredPlans()).map(showPlan) }),
    }),

    make: route({
      route: 'POST /v1/operator/plans',
      summary: 'Make the next version of a plan; tenants keep the one that they have',
      permission: 'platform:operate',
      scopes: ['platform_plan:write'],
      needs: ['postgres'],
      input: NewPlan,
      output: z.strictObject({ plan: ShownPlan }),
      examples: [{ summary: 'More for more, from a day on', input: EXAMPLE }],
      writes: true,
      status: () => 201,
      statuses: [201],
      handle: (wanted, call) => makePlan(wanted, call),
    }),

    set: route({
      route: 'PUT /v1/operator/tenants/:id/plan',
      summary: 'Put a tenant on a plan; what it holds already stays, also where the plan has room for less',
      permission: 'platform:operate',
      scopes: ['platform_tenant:write'],
      needs: ['postgres', 'events'],
      input: z.strictObject({
        id: z.uuid(),
        plan: z.enum(TIERS),
        version: z.int().min(1).max(1_000_000).optional().describe('Absent is the one on offer now'),
      }),
      output: z.strictObject({ tenant: Tenant }),
      examples: [
        { summary: 'It has grown', input: { id: '019a0000-0000-7000-8000-000000000000', plan: 'team' } },
      ],
      writes: true,
      handle: (wanted, call) => setPlan(wanted, call),
    }),
  },
})
