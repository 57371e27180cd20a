/** Events of the payment provider: whatever order they come in, and however often, they come to the same. */
import { afterAll, describe } from 'vitest'
import { advanceTo, INVOICES, standing, stripe, SUBSCRIPTION, testWithStripe } from './billing-world.ts'
import type { StripeObject } from './fake-stripe.ts'
import { call } from './in-process.ts'

const test = await testWithStripe()
afterAll(() => stripe.close())

describe('POST /v1/billing/checkout', () => {
  test('sells a plan: the signed events put the tenant on it, with a paid invoice', async ({ admin, sends, owner, expect }) => {
    await owner`insert into plan_subscriptions (id, tenant_id, plan, plan_version, term, base_cents, status, anchor, month,
      period_start, period_end, ended_at, created_at) values (gen_random_uuid(), ${admin.id}, 'starter', 1, 'month', 2900, 'canceled',
      now(), -1, now() - interval '9 days', now(), now(), now())`
    const { body, status } = await admin.calls('POST', '/v1/billing/checkout', { plan: 'pro' })
    expect({ status, body }).toEqual({ status: 200, body: { url: expect.stringContaining('stripe.example') } })
    for (const event of stripe.pays(body.url)) {
      expect((await sends(event)).body).toEqual({ status: 'received', event_id: event['id'], event_type: event['type'] })
    }
    expect(await standing(owner, admin)).toMatchObject({
      tier: 'pro',
      status: 'active',
      invoices: [{ key: 'month:', status: 'paid', total: 14_900, paid: 14_900, seq: 1 }],
      payments: 1,
    })
  })
})
void [advanceTo, INVOICES, SUBSCRIPTION, call, {} as StripeObject]
