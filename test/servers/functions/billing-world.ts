/** Tenants whose bills are paid through a stand-in for Stripe, or by bank transfer. */
import type { Sql } from 'postgres'
import { beginBilling } from '../../../shared/billing/billing.ts'
import { advance } from '../../../shared/billing/subscriptions/advance.ts'
import type { InOwn } from '../../../shared/contract/call.ts'
import { withTenant } from '../../../shared/database/database.ts'
import type { Runtime } from '../../../shared/calls/runtime.ts'
import { FakeStripe, signed, WEBHOOK_SECRET, type StripeObject } from './fake-stripe.ts'
import { call, type Answer } from './in-process.ts'
import { inOwnDatabase, testWith, type Tenant } from './world.ts'

export const SUBSCRIPTION = '/v1/billing/subscription'
export const INVOICES = '/v1/billing/invoices'

/** A stand-in that all tests of a file share; a test has customers of its own. */
export const stripe = new FakeStripe()

/** What is in the billing of a tenant: its invoices, subscriptions and credits, without ids and times. */
export async function standing(owner: Sql, tenant: Pick<Tenant, 'id'>) {
  const [row] = await owner`
    select t.tier, t.status,
      (select json_agg(json_build_object('plan', s.plan, 'status', s.status, 'cancels', s.cancels_at_end) order by s.stripe_id is not null, s.created_at)
        from plan_subscriptions s where s.tenant_id = t.id) as subscriptions,
      (select json_agg(json_build_object('key', left(i.key, 6), 'status', i.status, 'total', i.total_cents, 'paid', i.paid_cents,
        'seq', i.seq) order by i.seq) from invoices i where i.tenant_id = t.id) as invoices,
      (select coalesce(sum(g.available), 0)::float8 from credit_grants g where g.tenant_id = t.id) as credits,
      (select count(*)::int from payments p where p.tenant_id = t.id) as payments
    from tenants t where t.id = ${tenant.id}`
  return row
}

/** Does what is due at `now`, as the tick does. */
export async function advanceTo(
  runtime: Pick<Runtime, 'database'>,
  tenant: Pick<Tenant, 'id'>,
  now: Date,
  hasProvider = false,
): Promise<string[]> {
  const emitted: string[] = []
  await withTenant(runtime.database, tenant.id, 'write', async (db) => {
    const emit = (type: string) => void emitted.push(type.replace('io.kgents.billing.', ''))
    const inOwn: InOwn = (_mode, work) => work({ db } as Parameters<typeof work>[0])
    const call = { db, emit, inOwn, identity: { tenant: tenant.id } }
    await advance(await beginBilling(call, { now, hasProvider }))
  })
  return emitted
}

export async function testWithStripe() {
  const url = await stripe.listen()
  const settings = {
    STRIPE_API_URL: url,
    STRIPE_API_KEY: 'sk_test_1',
    STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
    LOG_LEVEL: 'error',
  }
  return testWith([], settings, inOwnDatabase).extend<{
    admin: Tenant
    /** Posts an event as Stripe does. */
    sends(event: StripeObject, how?: Parameters<typeof signed>[1]): Promise<Answer>
  }>({
    admin: async ({ newTenant }, use) => use(await newTenant('free', ['admin'])),
    sends: async ({ opened }, use) =>
      use((event, how) => {
        const { payload, headers } = signed(event, how)
        return call(opened.app, '', 'POST', '/webhooks/stripe', payload, headers)
      }),
  })
}
