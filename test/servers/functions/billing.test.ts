/** Subscriptions and invoices that are paid by bank transfer: no payment provider is configured. */
import { randomUUID } from 'node:crypto'
import { describe, vi } from 'vitest'
import { grantCredits } from '../../../shared/billing/ledger/ledger.ts'
import { addDays } from '../../../shared/billing/subscriptions/states.ts'
import { withTenant } from '../../../shared/database/database.ts'
import { Transaction } from '../../../shared/database/transaction.ts'
import { advanceTo, INVOICES, standing, SUBSCRIPTION } from './billing-world.ts'
import { call } from './in-process.ts'
import { inOwnDatabase, insertColleague, testWith, type Tenant } from './world.ts'

const DAY_MS = 86_400_000

const test = testWith([], {}, inOwnDatabase).extend<{
  admin: Tenant
  operator: Tenant
  /** Begins a subscription with its first month at `anchor`, as if its trial had ended then. */
  begins(tenant: Tenant, anchor: string, plan?: string): Promise<void>
  uses(tenant: Tenant, at: string, meter: string, quantity: string): Promise<void>
}>({
  admin: async ({ newTenant }, use) => use(await newTenant('free', ['admin'])),
  operator: async ({ newTenant }, use) => use(await newTenant('enterprise', ['super_admin', 'admin'])),
  begins: async ({ owner, runtime }, use) =>
    use(async (tenant, anchor, plan = 'pro') => {
      await tenant.calls('POST', SUBSCRIPTION, { plan })
      await owner`update plan_subscriptions set trial_end = ${anchor}, period_end = ${anchor},
        period_start = ${anchor}::timestamptz - interval '14 days', trial_noticed_at = now() where tenant_id = ${tenant.id}`
      await advanceTo(runtime, tenant, new Date(anchor))
    }),
  uses: async ({ owner }, use) =>
    use(async ({ id }, at, meter, quantity) => {
      await owner`insert into usage_quarters ${owner({ tenant_id: id, quarter: at, meter, quantity })}`
    }),
})

const invoicesOf = async (tenant: Tenant) => (await tenant.calls('GET', INVOICES)).body.invoices
const before = (time: string, days: number) => addDays(new Date(time), -days)

describe('POST /v1/billing/subscription', () => {
  test('begins with a trial, which gives the plan and costs nothing', async ({ admin, owner, expect }) => {
    expect((await admin.calls('GET', SUBSCRIPTION)).body).toEqual({
      subscription: null,
      payment: { card: false, missing: ['STRIPE_API_KEY', 'STRIPE_WEBHOOK_SECRET'] },
    })
    const preview = await admin.calls('POST', `${SUBSCRIPTION}/preview`, { plan: 'pro' })
    expect(preview.body).toMatchObject({
      kind: 'trial',
      invoice: { total_cents: 14_900 },
      base_cents: 14_900,
    })
    const { body, status } = await admin.calls('POST', SUBSCRIPTION, { plan: 'pro' })
    expect({ status, ...body }).toMatchObject({
      status: 200,
      invoice: null,
      subscription: { status: 'trialing', plan: 'pro' },
    })
    expect(await standing(owner, admin)).toMatchObject({ tier: 'pro', status: 'trialing', invoices: null })
  })

  test('has one trial for each tenant, and one subscription however many begin at once', async ({
    admin,
    runtime,
    owner,
    expect,
  }) => {
    const answers = await Promise.all(
      [1, 2, 3].map(() => admin.calls('POST', SUBSCRIPTION, { plan: 'starter' })),
    )
    expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['200', '409', '409'])
    await admin.calls('POST', `${SUBSCRIPTION}/cancel`)
    const ended = await advanceTo(runtime, admin, addDays(new Date(), 15))
    expect(ended).toContain('subscription.ended')
    expect(await standing(owner, admin)).toMatchObject({ tier: 'free', status: 'active', invoices: null })
    const again = await admin.calls('POST', SUBSCRIPTION, { plan: 'starter' })
    expect(again.body).toMatchObject({
      subscription: { status: 'active', plan: 'starter' },
      invoice: { status: 'finalized', total_cents: 2900 },
    })
  })

  test('costs for a larger plan what its preview said, to the cent, and has it at once', async ({
    admin,
    begins,
    expect,
  }) => {
    await begins(admin, new Date(Date.now() - 10 * DAY_MS).toISOString(), 'starter')
    const { body: preview } = await admin.calls('POST', `${SUBSCRIPTION}/preview`, { plan: 'team' })
    const { body } = await admin.calls('POST', SUBSCRIPTION, { plan: 'team', as_of: preview.as_of })
    expect(preview).toMatchObject({ kind: 'upgrade', base_cents: 49_900 })
    expect(body.invoice.total_cents).toBe(preview.invoice.total_cents)
    const { body: full } = await admin.calls('GET', `${INVOICES}/${body.invoice.id}`)
    expect(full.invoice.lines).toEqual(preview.invoice.lines)
    expect((await admin.calls('GET', '/v1/tenant')).body.tenant.tier).toBe('team')
  })

  test('keeps a smaller plan, or another term, for the end of what is paid', async ({
    admin,
    begins,
    runtime,
    owner,
    expect,
  }) => {
    await begins(admin, new Date(Date.now() - 10 * DAY_MS).toISOString(), 'team')
    const { body } = await admin.calls('POST', SUBSCRIPTION, { plan: 'starter', term: 'year' })
    expect(body).toMatchObject({
      invoice: null,
      subscription: { plan: 'team', next: { plan: 'starter', term: 'year' } },
    })
    await advanceTo(runtime, admin, new Date(body.subscription.term_end))
    expect(await standing(owner, admin)).toMatchObject({
      tier: 'starter',
      invoices: [{ total: 49_900 }, { key: 'month:', total: 31_320 }],
    })
  })

  test.for<[string, object, number]>([
    ['a plan that is not sold by itself', { plan: 'enterprise' }, 409],
    ['the free plan, which is had by canceling', { plan: 'free' }, 409],
    ['a plan that there is not', { plan: 'platinum' }, 400],
    ['a term that there is not', { plan: 'pro', term: 'week' }, 400],
    ['a price of its own', { plan: 'pro', base_cents: 1 }, 400],
    ['a time that is long past', { plan: 'pro', as_of: '2020-01-01T00:00:00Z' }, 400],
    ['a time to come', { plan: 'pro', as_of: '2099-01-01T00:00:00Z' }, 400],
  ])('refuses %s', async ([, input, status], { admin, expect }) => {
    expect((await admin.calls('POST', SUBSCRIPTION, input)).status).toBe(status)
  })

  test('cancels at the end, and can be resumed until then', async ({
    admin,
    begins,
    runtime,
    owner,
    expect,
  }) => {
    await begins(admin, new Date(Date.now() - DAY_MS).toISOString())
    expect((await admin.calls('POST', `${SUBSCRIPTION}/cancel`)).body.subscription.cancels_at_end).toBe(true)
    expect((await admin.calls('POST', `${SUBSCRIPTION}/cancel`)).status).toBe(409)
    expect((await admin.calls('POST', `${SUBSCRIPTION}/resume`)).body.subscription.cancels_at_end).toBe(false)
    const { body } = await admin.calls('POST', `${SUBSCRIPTION}/cancel`)
    expect(await standing(owner, admin)).toMatchObject({ tier: 'pro' })
    await advanceTo(runtime, admin, new Date(body.subscription.term_end))
    expect(await standing(owner, admin)).toMatchObject({ tier: 'free', invoices: [{ total: 14_900 }] })
    expect((await admin.calls('POST', `${SUBSCRIPTION}/resume`)).status).toBe(409)
    const { body: log } = await admin.calls('GET', '/v1/audit')
    expect(log.audit.map(({ action }: { action: string }) => action)).toContain('subscription.resumed')
  })
})

describe('a month', () => {
  test('that began on the 31st ends with shorter months, each with one invoice and its number', async ({
    admin,
    begins,
    runtime,
    expect,
  }) => {
    await begins(admin, '2024-01-31T23:30:00Z')
    await advanceTo(runtime, admin, new Date('2024-05-01T00:00:00Z'))
    const issued = (await invoicesOf(admin)).toReversed()
    expect(issued.map((each: { period_start: string }) => each.period_start.slice(0, 16))).toEqual([
      '2024-01-31T23:30',
      '2024-02-29T23:30',
      '2024-03-31T23:30',
      '2024-04-30T23:30',
    ])
    expect(issued.map((each: { number: string }) => each.number.slice(-4))).toEqual([
      '0001',
      '0002',
      '0003',
      '0004',
    ])
  })

  test('bills what was used beyond the plan, late usage with the next one, credits first', async ({
    admin,
    begins,
    uses,
    runtime,
    owner,
    expect,
  }) => {
    await owner`update tenants set overage_allowed = true where id = ${admin.id}`
    await begins(admin, '2026-01-31T00:00:00Z')
    await withTenant(runtime.database, admin.id, 'write', (db) =>
      grantCredits(db, { kind: 'prepaid', amount: 100.5, source: 'test' }),
    )
    await uses(admin, '2026-02-10T00:00:00Z', 'tokens', '650000')
    await advanceTo(runtime, admin, new Date('2026-02-28T00:00:00Z'))
    await uses(admin, '2026-02-20T00:00:00Z', 'tokens', '1000')
    await uses(admin, '2026-03-31T00:00:00Z', 'tokens', '900000')
    await advanceTo(runtime, admin, new Date('2026-03-31T00:00:00Z'))
    const [march, february] = await invoicesOf(admin)
    const linesOf = async ({ id }: { id: string }) =>
      (await admin.calls('GET', `${INVOICES}/${id}`)).body.invoice.lines.map(
        ({ kind, cents, usage }: { kind: string; cents: number; usage?: { quantity: string } }) => [
          kind,
          cents,
          usage?.quantity,
        ],
      )
    expect(await linesOf(february)).toEqual([
      ['base', 14_900, undefined],
      ['usage', 150, '650000'],
      ['credit', -100, undefined],
    ])
    // What was used in the quarter of an hour in which the next month begins is the next month's.
    expect(await linesOf(march)).toEqual([
      ['base', 14_900, undefined],
      ['usage', 1, '651000'],
    ])
    expect(await standing(owner, admin)).toMatchObject({ credits: 0.5 })
  })

  test('is billed once, whatever is killed in between and however many run at once', async ({
    admin,
    begins,
    runtime,
    owner,
    expect,
  }) => {
    await begins(admin, '2026-01-31T00:00:00Z')
    const end = Transaction.prototype.end
    const killing = vi.spyOn(Transaction.prototype, 'end')
    // Before the commit, and between the commit and whoever waits for it.
    killing.mockImplementationOnce(() => Promise.reject(new Error('killed')))
    killing.mockImplementationOnce(async function (this: Transaction, mode) {
      await end.call(this, mode)
      throw new Error('killed')
    })
    const now = new Date('2026-06-01T00:00:00Z')
    for (const _ of [1, 2]) await expect(advanceTo(runtime, admin, now)).rejects.toThrow('killed')
    killing.mockRestore()
    await Promise.all([1, 2, 3].map(() => advanceTo(runtime, admin, now)))
    const { invoices } = (await standing(owner, admin)) as { invoices: { seq: number }[] }
    expect(invoices.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
  })

  test('that nobody pays for leads to the free plan, and a transfer in time does not', async ({
    admin,
    operator,
    begins,
    runtime,
    owner,
    expect,
  }) => {
    const anchor = '2026-03-01T00:00:00Z'
    await begins(admin, anchor)
    const [{ id }] = await invoicesOf(admin)
    const at = (days: number) => advanceTo(runtime, admin, before(anchor, -days))
    expect(await at(14)).toEqual(['payment.failed', 'subscription.updated', 'payment.failed'])
    expect(await standing(owner, admin)).toMatchObject({ tier: 'pro', status: 'past_due' })
    expect(await at(14)).toEqual([])
    const place = `/v1/operator/tenants/${admin.id}/invoices/${id}`
    const paid = await operator.calls('POST', `${place}/pay`, { reference: 'Transfer 1' })
    expect(paid.body.invoice).toMatchObject({ status: 'paid', open_cents: 0 })
    expect((await operator.calls('POST', `${place}/pay`, { reference: 'Transfer 1' })).status).toBe(409)
    expect(await at(20)).toEqual(['subscription.updated'])
    expect(await standing(owner, admin)).toMatchObject({ tier: 'pro', status: 'active' })
    // The second month is never paid.
    await at(31)
    await at(45)
    expect(await standing(owner, admin)).toMatchObject({ status: 'past_due' })
    expect(await at(53)).toContain('subscription.ended')
    expect(await standing(owner, admin)).toMatchObject({
      tier: 'free',
      status: 'active',
      invoices: [{ status: 'paid' }, { status: 'failed' }],
    })
    expect(await at(400)).toEqual([])
  })

  test('ends a trial with a notice before it, and the first invoice after it', async ({
    admin,
    runtime,
    ticks,
    owner,
    settles,
    expect,
  }) => {
    await admin.calls('POST', SUBSCRIPTION, { plan: 'starter' })
    expect(await advanceTo(runtime, admin, addDays(new Date(), 10))).toEqual([])
    expect(await advanceTo(runtime, admin, addDays(new Date(), 12))).toEqual(['trial.ending'])
    await owner`update plan_subscriptions set trial_end = now(), period_end = now() where tenant_id = ${admin.id}`
    await settles(admin)
    await ticks()
    expect(await settles(admin)).toEqual(
      expect.arrayContaining([
        'io.kgents.billing.invoice.finalized',
        'io.kgents.billing.subscription.updated',
      ]),
    )
    expect(await standing(owner, admin)).toMatchObject({
      status: 'active',
      invoices: [{ total: 2900, status: 'finalized' }],
    })
  })
})

describe('an invoice', () => {
  test('is found by its tenant alone, and read by who may read bills', async ({
    admin,
    newTenant,
    begins,
    owner,
    opened,
    expect,
  }) => {
    await begins(admin, '2026-03-01T00:00:00Z')
    const [{ id }] = await invoicesOf(admin)
    const stranger = await newTenant('free', ['admin'])
    for (const path of [`${INVOICES}/${id}`, `${INVOICES}/${id}/pdf`])
      expect((await stranger.calls('GET', path)).status).toBe(404)
    expect(await invoicesOf(stranger)).toEqual([])
    const [developer, viewer] = [
      await insertColleague(owner, admin, 'developer'),
      await insertColleague(owner, admin, 'viewer'),
    ]
    expect((await call(opened.app, developer, 'GET', INVOICES)).body.invoices).toHaveLength(1)
    expect((await call(opened.app, viewer, 'GET', INVOICES)).status).toBe(403)
    for (const path of [SUBSCRIPTION, `${SUBSCRIPTION}/cancel`, '/v1/billing/portal'])
      expect(
        (await call(opened.app, developer, 'POST', path, path === SUBSCRIPTION ? { plan: 'team' } : {}))
          .status,
      ).toBe(403)
  })

  test('is a PDF of as many pages as it takes, whatever letters the name has', async ({
    admin,
    begins,
    owner,
    opened,
    expect,
  }) => {
    await owner`update tenants set name = 'Жёлтый Žluťoučký ΑΒΓ 株式会社' where id = ${admin.id}`
    await begins(admin, '2026-03-01T00:00:00Z')
    const [{ id, number }] = await invoicesOf(admin)
    const key = await insertColleague(owner, admin, 'developer')
    const response = await opened.app.request(`${INVOICES}/${id}/pdf`, { headers: { 'x-api-key': key } })
    expect(response.headers.get('content-type')).toBe('application/pdf')
    const bytes = Buffer.from(await response.arrayBuffer())
    expect(bytes.subarray(0, 5).toString()).toBe('%PDF-')
    expect(bytes.subarray(-6).toString()).toContain('%%EOF')
    expect(bytes.toString('latin1')).toContain(number)
  })

  test('is not changed by anybody once it is final, nor are its lines and its number', async ({
    admin,
    begins,
    owner,
    app,
    runtime,
    expect,
  }) => {
    await begins(admin, '2026-03-01T00:00:00Z')
    const [{ id }] = await invoicesOf(admin)
    const as = (statement: string) =>
      app.begin(async (db) => {
        await db`select set_tenant_context(${admin.id})`
        await db.unsafe(statement)
      })
    const line = `insert into invoice_lines (invoice_id, tenant_id, position, kind, description, period_start, period_end, plan, plan_version, cents)
      values ('${id}', '${admin.id}', 9, 'credit', 'x', now(), now() + interval '1 day', 'pro', 1, -1)`
    const tries = [
      `update invoices set total_cents = 1 where id = '${id}'`,
      `update invoices set status = 'draft' where id = '${id}'`,
      `update invoices set finalized_at = now() where id = '${id}'`,
      `delete from invoices where id = '${id}'`,
      `update invoice_lines set cents = 1 where invoice_id = '${id}'`,
      line,
      `insert into invoices (id, tenant_id, subscription_id, key, status, seq, total_cents, period_start, period_end, plan, plan_version, bill_to, issued_at, due_at)
        select '${randomUUID()}', tenant_id, subscription_id, 'x', 'finalized', 99, 1, period_start, period_end, plan, plan_version, 'x', now(), now() from invoices where id = '${id}'`,
    ]
    for (const statement of tries) {
      await expect(as(statement), statement).rejects.toThrow(
        /permission denied|not changed|goes from draft|begins as a draft|belong to a draft/,
      )
    }
    await expect(owner`update invoices set total_cents = 1 where id = ${id}`).rejects.toThrow(
      'an invoice is not changed',
    )
    await expect(owner`update invoice_lines set cents = 1 where invoice_id = ${id}`).rejects.toThrow(
      'neither changed',
    )
    // A number that was taken and rolled back is given to the next.
    vi.spyOn(Transaction.prototype, 'end').mockImplementationOnce(() => Promise.reject(new Error('killed')))
    const next = new Date('2026-04-02T00:00:00Z')
    await expect(advanceTo(runtime, admin, next)).rejects.toThrow('killed')
    vi.restoreAllMocks()
    await advanceTo(runtime, admin, next)
    expect(await standing(owner, admin)).toMatchObject({ invoices: [{ seq: 1 }, { seq: 2 }] })
  })
})

describe('operators', () => {
  test('credit what was paid as credits, and what is open as paid', async ({
    admin,
    operator,
    begins,
    runtime,
    owner,
    expect,
  }) => {
    await begins(admin, '2026-03-01T00:00:00Z')
    const [{ id }] = await invoicesOf(admin)
    const place = `/v1/operator/tenants/${admin.id}/invoices/${id}`
    const credit = (cents: number) =>
      operator.calls('POST', `${place}/credit-notes`, { cents, reason: 'SLA' })
    for (const cents of [0, -1, 0.5, 1e15]) expect((await credit(cents)).status).toBe(400)
    expect((await credit(14_901)).status).toBe(409)
    expect((await credit(4900)).body.invoice).toMatchObject({ status: 'finalized', open_cents: 10_000 })
    await operator.calls('POST', `${place}/pay`, { reference: 'x' })
    expect((await credit(1000)).body.invoice).toMatchObject({ status: 'paid', credited_cents: 5900 })
    for (const _ of [1, 2]) await advanceTo(runtime, admin, new Date('2026-03-02T00:00:00Z'))
    expect(await standing(owner, admin)).toMatchObject({ credits: 1000 })
    expect((await admin.calls('GET', `${INVOICES}/${id}`)).body.invoice.credit_notes).toMatchObject([
      { cents: 4900 },
      { cents: 1000 },
    ])
    expect((await admin.calls('GET', '/v1/audit')).body.audit[0]).toMatchObject({
      action: 'invoice.credited',
      actor: { user: null, operator: true },
    })
  })

  test('make an open invoice void, whose credits come back once', async ({
    admin,
    operator,
    begins,
    uses,
    runtime,
    owner,
    expect,
  }) => {
    await owner`update tenants set overage_allowed = true where id = ${admin.id}`
    await begins(admin, '2026-01-31T00:00:00Z')
    await withTenant(runtime.database, admin.id, 'write', (db) =>
      grantCredits(db, { kind: 'prepaid', amount: 50, source: 'test' }),
    )
    await uses(admin, '2026-02-10T00:00:00Z', 'sessions', '600')
    await advanceTo(runtime, admin, new Date('2026-02-28T00:00:00Z'))
    const [{ id }] = await invoicesOf(admin)
    const place = `/v1/operator/tenants/${admin.id}/invoices/${id}`
    expect(await standing(owner, admin)).toMatchObject({ credits: 0 })
    expect((await operator.calls('POST', `${place}/void`, { reason: 'x' })).body.invoice.status).toBe('void')
    expect((await operator.calls('POST', `${place}/void`, { reason: 'x' })).status).toBe(409)
    for (const _ of [1, 2]) await advanceTo(runtime, admin, new Date('2026-03-01T00:00:00Z'))
    expect(await standing(owner, admin)).toMatchObject({ credits: 50 })
  })

  test('alone do so: an admin reaches no invoice by their routes, its own neither', async ({
    admin,
    newTenant,
    operator,
    begins,
    expect,
  }) => {
    await begins(admin, '2026-03-01T00:00:00Z')
    const [{ id }] = await invoicesOf(admin)
    const body = { reason: 'x', cents: 1, reference: 'x' }
    for (const [act, member] of [
      ['void', 'reason'],
      ['pay', 'reference'],
    ] as const) {
      const path = `/v1/operator/tenants/${admin.id}/invoices/${id}/${act}`
      expect((await admin.calls('POST', path, { [member]: body[member] })).status).toBe(403)
    }
    expect((await admin.calls('GET', `/v1/operator/tenants/${admin.id}/invoices`)).status).toBe(403)
    expect(
      (await operator.calls('GET', `/v1/operator/tenants/${admin.id}/invoices`)).body.invoices,
    ).toHaveLength(1)
    const other = await newTenant('free', ['admin'])
    const elsewhere = `/v1/operator/tenants/${other.id}/invoices/${id}/void`
    expect((await operator.calls('POST', elsewhere, { reason: 'x' })).status).toBe(404)
  })
})

describe('without a payment provider', () => {
  test('whoever wants to pay by card hears what is missing', async ({ admin, opened, expect }) => {
    for (const [path, body] of [
      ['checkout', { credits: 500 }],
      ['checkout', { plan: 'pro' }],
      ['portal', {}],
    ] as const) {
      expect(await admin.calls('POST', `/v1/billing/${path}`, body)).toMatchObject({
        status: 412,
        body: { details: { missing: ['STRIPE_API_KEY'] } },
      })
    }
    const event = await call(opened.app, '', 'POST', '/webhooks/stripe', '{}', {
      'stripe-signature': 't=1,v1=00',
    })
    expect(event).toMatchObject({
      status: 500,
      body: { message: expect.stringContaining('STRIPE_WEBHOOK_SECRET') },
    })
    expect((await call(opened.app, '', 'GET', '/webhooks/stripe/health')).body).toMatchObject({
      status: 'not_configured',
      api_key_configured: false,
    })
  })

  test.for([{ credits: 499 }, { credits: -500 }, { credits: 1e12 }, { credits: 500, plan: 'pro' }, {}])(
    'sells no %o',
    async (input, { admin, expect }) => {
      expect((await admin.calls('POST', '/v1/billing/checkout', input)).status).toBe(400)
    },
  )
})
