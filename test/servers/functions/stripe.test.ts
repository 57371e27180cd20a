/** Events of the payment provider: whatever order they come in, and however often, they come to the same. */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, describe, vi } from 'vitest'
import { Transaction } from '../../../shared/database/transaction.ts'
import { addDays } from '../../../shared/billing/subscriptions/states.ts'
import { advanceTo, INVOICES, standing, stripe, SUBSCRIPTION, testWithStripe } from './billing-world.ts'
import type { signed, StripeObject } from './fake-stripe.ts'
import { call } from './in-process.ts'
import type { Tenant } from './world.ts'

const CHECKOUT = '/v1/billing/checkout'

const base = await testWithStripe()
const test = base.extend<{
  /** A tenant that has had its trial, so that it pays at once. */
  tried: Tenant
  /** Buys by card; answers the events that Stripe sends then. */
  buys(tenant: Tenant, what: object): Promise<StripeObject[]>
  /** Buys a plan, and takes the events of that; answers the subscription at Stripe. */
  subscribes(tenant: Tenant, plan: string): Promise<StripeObject>
}>({
  tried: async ({ newTenant, owner }, use) => use(await tryOut(await newTenant('free', ['admin']), owner)),
  buys: async ({}, use) =>
    use(async (tenant, what) => stripe.pays((await tenant.calls('POST', CHECKOUT, what)).body.url)),
  subscribes: async ({ buys, sends }, use) =>
    use(async (tenant, plan) => {
      const events = await buys(tenant, { plan })
      for (const event of events) await sends(event)
      return stripe.get(events[1]?.['data'].object.id)
    }),
})
afterAll(() => stripe.close())

type Owner = Parameters<typeof standing>[0]

async function tryOut(tenant: Tenant, owner: Owner): Promise<Tenant> {
  await owner`
    insert into plan_subscriptions (id, tenant_id, plan, plan_version, term, base_cents, status, anchor, month, period_start,
      period_end, ended_at, created_at)
    values (${randomUUID()}, ${tenant.id}, 'starter', 1, 'month', 2900, 'canceled', now(), -1, now() - interval '9 days', now(),
      now(), now() - interval '9 days')`
  return tenant
}

const customerOf = async (owner: Owner, { id }: Tenant): Promise<string> =>
  (await owner`select id from stripe_customers where tenant_id = ${id}`)[0]?.['id']

describe('POST /v1/billing/checkout', () => {
  test('sells a plan: the signed events put the tenant on it, with a paid invoice', async ({
    tried,
    buys,
    sends,
    owner,
    expect,
  }) => {
    for (const event of await buys(tried, { plan: 'pro' })) {
      expect((await sends(event)).body).toEqual({
        status: 'received',
        event_id: event['id'],
        event_type: event['type'],
      })
    }
    expect(await standing(owner, tried)).toMatchObject({
      tier: 'pro',
      status: 'active',
      invoices: [{ key: 'month:', status: 'paid', total: 14_900, paid: 14_900, seq: 1 }],
      payments: 1,
    })
    expect((await tried.calls('POST', CHECKOUT, { plan: 'team' })).status).toBe(409)
  })

  test('goes on with a trial, and makes one customer however many pages are opened at once', async ({
    admin,
    subscribes,
    owner,
    expect,
  }) => {
    await admin.calls('POST', SUBSCRIPTION, { plan: 'starter' })
    await Promise.all([1, 2, 3].map(() => admin.calls('POST', '/v1/billing/portal')))
    expect(await owner`select from stripe_customers where tenant_id = ${admin.id}`).toHaveLength(1)
    await subscribes(admin, 'pro')
    expect(await standing(owner, admin)).toMatchObject({
      tier: 'pro',
      status: 'trialing',
      subscriptions: [{ status: 'canceled' }, { plan: 'pro', status: 'trialing' }],
      invoices: null,
    })
  })

  test('answers 502 where Stripe does not, and writes nothing', async ({ admin, owner, expect }) => {
    stripe.before = () => Promise.reject(new Error('down'))
    const { status, body } = await admin.calls('POST', CHECKOUT, { credits: 500 })
    stripe.before = () => {}
    expect({ status, code: body.code }).toEqual({ status: 502, code: 'UPSTREAM_FAILED' })
    expect(await owner`select from stripe_customers where tenant_id = ${admin.id}`).toHaveLength(0)
  })
})

describe('POST /webhooks/stripe', () => {
  /** All that happens to somebody who buys, pays late, changes its mind and leaves; each type that is handled is in it. */
  async function history(
    tenant: Tenant,
    owner: Owner,
    buys: (tenant: Tenant, what: object) => Promise<StripeObject[]>,
  ) {
    const events = [...(await buys(tenant, { plan: 'pro' })), ...(await buys(tenant, { credits: 2500 }))]
    const id: string = events[1]?.['data'].object.id
    const customer = stripe.get(await customerOf(owner, tenant))
    events.push(stripe.event('customer.created', customer))
    events.push(
      stripe.event('customer.updated', stripe.changes(customer['id'], { email: 'new@example.com' })),
    )
    events.push(
      stripe.event('invoice.payment_failed', {
        ...stripe.get(events[2]?.['data'].object.id),
        status: 'open',
      }),
    )
    events.push(
      stripe.event('customer.subscription.updated', stripe.changes(id, { cancel_at_period_end: true })),
    )
    return { id, customer, events }
  }

  test('takes any permutation and repetition of a history to the same end', async ({
    newTenant,
    buys,
    sends,
    owner,
    expect,
  }) => {
    // fast-check draws the orders; each is tried on a tenant of its own.
    const orders = fc.sample(fc.shuffledSubarray([...Array(10).keys()], { minLength: 10 }), {
      numRuns: 4,
      seed: 7,
    })
    const ends: unknown[] = []
    for (const order of [[...Array(10).keys()], ...orders]) {
      const tenant = await tryOut(await newTenant('free', ['admin']), owner)
      const { events } = await history(tenant, owner, buys)
      expect(events).toHaveLength(9)
      for (const at of [...order, ...order.toReversed()]) {
        const event = events[at]
        if (event !== undefined) expect((await sends(event)).status, event['type']).toBe(200)
      }
      ends.push(await standing(owner, tenant))
    }
    expect(ends[0]).toMatchObject({
      tier: 'pro',
      status: 'active',
      credits: 2500,
      payments: 1,
      subscriptions: [{}, { plan: 'pro', status: 'active', cancels: true }],
      invoices: [{ status: 'paid', paid: 14_900, seq: 1 }],
    })
    for (const end of ends) expect(end).toEqual(ends[0])
  })

  test('takes any permutation of one that ended to the free plan', async ({
    newTenant,
    buys,
    sends,
    owner,
    expect,
  }) => {
    const ends: unknown[] = []
    for (const turn of [0, 3, 5, 7]) {
      const tenant = await tryOut(await newTenant('free', ['admin']), owner)
      const { id, customer, events } = await history(tenant, owner, buys)
      const over = stripe.changes(id, { status: 'canceled', ended_at: stripe.get(id)['created'] + 60 })
      events.push(stripe.event('customer.subscription.deleted', over))
      events.push(stripe.event('customer.deleted', stripe.changes(customer['id'], { deleted: true })))
      for (const event of [...events.slice(turn), ...events.slice(0, turn)].flatMap((each) => [each, each]))
        expect((await sends(event)).status, event['type']).toBe(200)
      const end = await standing(owner, tenant)
      ends.push({ tier: end?.['tier'], status: end?.['status'], credits: end?.['credits'] })
    }
    for (const end of ends) expect(end).toEqual({ tier: 'free', status: 'active', credits: 2500 })
  })

  test('has one effect of each event, however many deliveries of it come at once', async ({
    tried,
    buys,
    sends,
    owner,
    expect,
  }) => {
    const events = [...(await buys(tried, { plan: 'pro' })), ...(await buys(tried, { credits: 500 }))]
    // What cannot be taken for the others is sent again, as Stripe does.
    const until200 = async (event: StripeObject) => {
      for (;;) if ((await sends(event)).status === 200) return
    }
    await Promise.all([...events, ...events, ...events].map(until200))
    expect(await standing(owner, tried)).toMatchObject({
      tier: 'pro',
      credits: 500,
      payments: 1,
      invoices: [{ status: 'paid', paid: 14_900 }],
    })
    expect(await owner`select from stripe_events where tenant_id = ${tried.id}`).toHaveLength(events.length)
  })

  test('has one effect of each event also where the process is killed before or after its commit', async ({
    tried,
    buys,
    sends,
    owner,
    expect,
  }) => {
    const events = [...(await buys(tried, { plan: 'pro' })), ...(await buys(tried, { credits: 500 }))]
    const { end } = Transaction.prototype
    for (const event of events) {
      for (const commits of [false, true]) {
        let transactions = 0
        const killing = vi.spyOn(Transaction.prototype, 'end').mockImplementation(async function (
          this: Transaction,
          mode,
        ) {
          // The first one reads what is known, the second one writes.
          transactions += 1
          if (transactions === 1 || commits) await end.call(this, mode)
          if (transactions === 2) throw new Error('killed')
        })
        const { status } = await sends(event)
        killing.mockRestore()
        expect(status).toBe(503)
      }
      expect((await sends(event)).status).toBe(200)
    }
    expect(await standing(owner, tried)).toMatchObject({
      tier: 'pro',
      credits: 500,
      payments: 1,
      invoices: [{ status: 'paid' }],
    })
  })

  test('is sent again while Stripe itself cannot be asked', async ({ tried, buys, sends, owner, expect }) => {
    const [event] = await buys(tried, { credits: 500 })
    if (event === undefined) throw new Error('nothing was bought')
    stripe.before = () => Promise.reject(new Error('down'))
    expect((await sends(event)).status).toBeGreaterThanOrEqual(500)
    stripe.before = () => {}
    expect(await standing(owner, tried)).toMatchObject({ credits: 0 })
    expect((await sends(event)).status).toBe(200)
    expect(await standing(owner, tried)).toMatchObject({ credits: 500 })
  })

  test.for<[string, Parameters<typeof signed>[1]]>([
    ['another secret', { secret: 'whsec_other' }],
    ['an old timestamp', { ageSeconds: 301 }],
  ])('refuses an event that is signed with %s', async ([, how], { tried, buys, sends, owner, expect }) => {
    const [, event] = await buys(tried, { credits: 500 })
    if (event === undefined) throw new Error('nothing was bought')
    expect((await sends(event, how)).status).toBe(400)
    expect(await standing(owner, tried)).toMatchObject({ credits: 0 })
  })

  test('refuses what is not signed, or was changed after it was signed', async ({
    opened,
    sends,
    expect,
  }) => {
    const post = (body: string, headers: Record<string, string>) =>
      call(opened.app, '', 'POST', '/webhooks/stripe', body, headers)
    expect((await post('{}', {})).status).toBe(400)
    expect((await post('{}', { 'stripe-signature': 'nonsense' })).status).toBe(400)
    expect((await post('{}', { 'stripe-signature': 't=1,v1=00' })).status).toBe(400)
    const unknown = await sends(stripe.event('charge.refunded', { id: 'ch_1', customer: 'cus_1' }))
    expect(unknown).toMatchObject({ status: 200, body: { status: 'skipped', event_type: 'charge.refunded' } })
    const nobodys = await sends(
      stripe.event('customer.subscription.updated', { id: 'sub_1', customer: 'cus_nobody' }),
    )
    expect(nobodys).toMatchObject({ status: 200, body: { status: 'skipped' } })
  })

  test('believes no event about whose an object is, nor what was bought', async ({
    newTenant,
    tried,
    buys,
    sends,
    owner,
    expect,
  }) => {
    const victim = await tryOut(await newTenant('free', ['admin']), owner)
    await victim.calls('POST', '/v1/billing/portal')
    const [, paid] = await buys(tried, { credits: 10_000 })
    const intent = paid?.['data'].object
    // The payment of one tenant under the name of another's customer.
    const foreign = { ...intent, customer: await customerOf(owner, victim) }
    expect((await sends(stripe.event('payment_intent.succeeded', foreign))).body.status).toBe('skipped')
    const inflated = {
      ...intent,
      metadata: { ...intent.metadata, kgents_credits: '1000000000' },
      amount_received: 10 ** 12,
    }
    expect((await sends(stripe.event('payment_intent.succeeded', inflated))).status).toBe(200)
    expect(await standing(owner, victim)).toMatchObject({ credits: 0 })
    // As much as the provider says was bought, and no more.
    expect(await standing(owner, tried)).toMatchObject({ credits: 10_000 })
  })

  test.for<[string, object]>([
    ['less than it costs', { amount_received: 5999 }],
    ['another currency', { currency: 'jpy' }],
    ['no pack', { metadata: { kgents_credits: '-500' } }],
    ['the mark of another tenant', { metadata: { kgents_credits: '500', kgents_tenant: randomUUID() } }],
    ['a payment that did not succeed', { status: 'requires_action' }],
  ])('gives no credits for %s', async ([, patch], { tried, buys, sends, owner, expect }) => {
    const [, event] = await buys(tried, { credits: 10_000 })
    if (event === undefined) throw new Error('nothing was bought')
    const { id } = event['data'].object
    const { metadata, ...rest } = patch as { metadata?: object }
    stripe.changes(id, { ...rest, metadata: { ...stripe.get(id)['metadata'], ...metadata } })
    expect((await sends(event)).status).toBe(200)
    expect(await standing(owner, tried)).toMatchObject({ credits: 0 })
  })

  test('keeps the plan for the days of grace after a payment has failed, and gives it back with the payment', async ({
    tried,
    subscribes,
    sends,
    runtime,
    owner,
    expect,
  }) => {
    const { id } = (await subscribes(tried, 'pro')) as { id: string }
    const failed = stripe.charges(id, false)
    stripe.changes(id, { status: 'past_due' })
    await sends(stripe.event('invoice.payment_failed', failed))
    expect(await standing(owner, tried)).toMatchObject({ tier: 'pro', status: 'past_due' })
    await owner`update plan_subscriptions set past_due_since = now() - interval '8 days' where stripe_id = ${id}`
    await sends(stripe.event('customer.subscription.updated', stripe.changes(id, { description: 'x' })))
    await advanceTo(runtime, tried, new Date(), true)
    expect(await standing(owner, tried)).toMatchObject({ tier: 'free', status: 'active' })
    stripe.changes(id, { status: 'active' })
    await sends(
      stripe.event('invoice.paid', stripe.changes(failed['id'], { status: 'paid', amount_paid: 14_900 })),
    )
    expect(await standing(owner, tried)).toMatchObject({ tier: 'pro', status: 'active' })
  })
})

describe('a subscription that a card pays', () => {
  test('is changed and canceled at Stripe first, and what its term does not pay is collected once', async ({
    tried,
    subscribes,
    sends,
    settles,
    owner,
    expect,
  }) => {
    const { id } = (await subscribes(tried, 'starter')) as { id: string }
    await settles(tried)
    const { body: preview } = await tried.calls('POST', `${SUBSCRIPTION}/preview`, { plan: 'pro' })
    const { body } = await tried.calls('POST', SUBSCRIPTION, { plan: 'pro', as_of: preview.as_of })
    expect(body.invoice.total_cents).toBe(preview.invoice.total_cents)
    expect(stripe.get(id)['items'].data[0].price.unit_amount).toBe(14_900)
    // Its event changes nothing more.
    await sends(stripe.event('customer.subscription.updated', stripe.get(id)))
    const [{ event }] = await owner<[{ event: string }]>`
      select event from outbox where tenant_id = ${tried.id} and event like '%invoice.finalized%' order by seq desc limit 1`
    await settles(tried)
    const row = (await tried.calls('GET', `${INVOICES}/${body.invoice.id}`)).body.invoice
    expect(stripe.get(row.stripe_invoice)).toMatchObject({ status: 'open', total: body.invoice.total_cents })
    // Delivered again by mistake, it collects nothing again.
    await owner`delete from inbox where tenant_id = ${tried.id}`
    await owner`update outbox set published_at = null where event = ${event}`
    await settles(tried)
    expect(stripe.get(row.stripe_invoice)['total']).toBe(body.invoice.total_cents)
    const collected = stripe.changes(row.stripe_invoice, {
      status: 'paid',
      amount_paid: body.invoice.total_cents,
      attempt_count: 1,
    })
    for (const _ of [1, 2]) await sends(stripe.event('invoice.paid', collected))
    expect(await standing(owner, tried)).toMatchObject({
      tier: 'pro',
      invoices: [{ status: 'paid' }, { key: 'change', status: 'paid' }],
    })
    await tried.calls('POST', `${SUBSCRIPTION}/cancel`)
    expect(stripe.get(id)['cancel_at_period_end']).toBe(true)
    await tried.calls('POST', `${SUBSCRIPTION}/resume`)
    expect(stripe.get(id)['cancel_at_period_end']).toBe(false)
  })

  test('is not charged for while its tenant is deleted, ends with it, and goes on when it is restored', async ({
    tried,
    subscribes,
    sends,
    settles,
    runtime,
    owner,
    expect,
  }) => {
    const { id } = (await subscribes(tried, 'pro')) as { id: string }
    await settles(tried)
    const [{ slug }] = await owner<[{ slug: string }]>`select slug from tenants where id = ${tried.id}`
    const { body } = await tried.calls('DELETE', `/v1/tenant?slug=${slug}`)
    await settles(tried)
    const erased = Math.floor(Date.parse(body.deletion.erased_after) / 1000)
    expect(stripe.get(id)).toMatchObject({ pause_collection: { behavior: 'void' }, cancel_at: erased })
    await sends(stripe.event('customer.subscription.updated', stripe.get(id)))
    expect(await advanceTo(runtime, tried, addDays(new Date(), 32), true)).toEqual([])
    expect(await standing(owner, tried)).toMatchObject({ invoices: [{ seq: 1 }] })

    expect((await tried.calls('POST', '/v1/tenant/restore', {})).status).toBe(200)
    await settles(tried)
    expect(stripe.get(id)).toMatchObject({ pause_collection: '', cancel_at: '' })
    await advanceTo(runtime, tried, addDays(new Date(), 32), true)
    expect(await standing(owner, tried)).toMatchObject({ invoices: [{ seq: 1 }, { seq: 2 }] })
  })

  test('has its next month invoiced by us and paid by Stripe, whichever is first', async ({
    tried,
    subscribes,
    sends,
    runtime,
    owner,
    expect,
  }) => {
    const { id } = (await subscribes(tried, 'pro')) as { id: string }
    // The payment of the second month comes before our own clock has ended the first.
    await sends(stripe.event('invoice.paid', stripe.charges(id)))
    expect(await standing(owner, tried)).toMatchObject({ payments: 2, invoices: [{ status: 'paid' }] })
    await advanceTo(runtime, tried, addDays(new Date(), 32), true)
    expect(await standing(owner, tried)).toMatchObject({
      invoices: [{ status: 'paid' }, { status: 'paid', paid: 14_900, seq: 2 }],
    })
  })
})

test('GET /webhooks/stripe/health counts what became of deliveries', async ({ opened, expect }) => {
  const { body } = await call(opened.app, '', 'GET', '/webhooks/stripe/health')
  expect(body).toMatchObject({ status: 'ok', webhook_secret_configured: true })
  expect(body.metrics.events_received).toBeGreaterThan(0)
})
