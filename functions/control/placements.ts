/**
 * Where a tenant's rows are: in the database that it shares with others (the pool), or in one of its own (a silo). A move is
 * ordered here, by an operator, and made by the relay while the tenant works.
 */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { Failure } from '../../shared/failures.ts'
import { actorFacts, type Audited } from './audit/record.ts'
import { describePlacement, Placement, type PlacementRow } from './placements/rows.ts'
import { operate } from './tenants/operate.ts'
import { findTenant } from './tenants/rows.ts'

const TenantId = z.strictObject({ id: z.uuid() })
const Answer = z.strictObject({ placement: Placement })
type Answer = z.infer<typeof Answer>

export const placements = defineOperation({
  name: 'placements',
  summary: 'Shows and changes which database a tenant is in, for operators of the platform',
  database: 'central',
  routes: {
    get: route({
      route: 'GET /v1/operator/tenants/:id/placement',
      summary: 'Where a tenant is, and how far its move is',
      permission: 'platform:operate',
      scopes: ['platform_tenant:read'],
      needs: ['postgres'],
      input: TenantId,
      output: Answer,
      handle: async ({ id }, call) => ({ placement: await show(id, call) }),
    }),

    place: route({
      route: 'POST /v1/operator/tenants/:id/placement',
      summary:
        'Move a tenant into a database of its own, or back; it goes on working, and its writes wait for a moment',
      permission: 'platform:operate',
      scopes: ['platform_tenant:write'],
      needs: ['postgres'],
      input: TenantId.extend({
        to: z.enum(['silo', 'pool']).describe('`silo`: a database of its own, for plans that have "silo"'),
      }),
      output: Answer,
      examples: [
        {
          summary: 'A customer that wants a database of its own',
          input: { id: '019a0000-0000-7000-8000-000000000000', to: 'silo' },
        },
      ],
      writes: true,
      status: () => 202,
      statuses: [202],
      handle: ({ id, to }, call) => place(id, to, call),
    }),
  },
})

async function show(id: string, call: Pick<Call, 'db' | 'identity'>): Promise<Answer['placement']> {
  const { id: tenant } = await findTenant(id, call)
  const { db, identity } = call
  const [row] = await operate(db<PlacementRow[]>`
    select lives_in, wanted, step, step_since, rows_copied, fenced_ms, error, requested_at
    from placement_for_operator(${identity.user}, ${tenant})`)
  return describePlacement(tenant, row)
}

async function place(id: string, to: 'silo' | 'pool', call: Audited): Promise<Answer> {
  const { slug } = await findTenant(id, call)
  const { db, identity } = call
  const [ordered] = await operate(db<{ outcome: string }[]>`
    select place_for_operator(${identity.user}, ${db.json(actorFacts(call))}, ${id}, ${to}) as outcome`)
  const refusal = REFUSALS[ordered?.outcome ?? '']
  if (refusal !== undefined) {
    throw new Failure('STATE_CONFLICT', `Cannot move "${slug}" to "${to}": ${refusal.why}`, {
      suggestion: refusal.suggestion,
    })
  }
  return { placement: await show(id, call) }
}

const REFUSALS: Readonly<Record<string, { why: string; suggestion: string }>> = {
  tier: { why: 'its plan does not have "silo"', suggestion: 'Change its plan first' },
  moving: {
    why: 'its last move has not ended',
    suggestion: 'GET the placement to see how far it is; an old copy is kept for a while',
  },
  there: { why: 'it is there already', suggestion: 'GET the placement to see where it is' },
}
