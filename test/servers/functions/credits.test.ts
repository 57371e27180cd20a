/** Credits by HTTP: what a tenant sees of them, what operators give, and what the database itself refuses. */
import { randomUUID } from 'node:crypto'
import { describe } from 'vitest'
import {
  captureHold,
  creditBalance,
  grantCredits,
  holdCredits,
  refundCredits,
  releaseHold,
  spendCredits,
} from '../../../shared/billing/ledger/ledger.ts'
import { withTenant, type Db } from '../../../shared/database/database.ts'
import { testWithHolders } from './holders.ts'
import type { Tenant } from './world.ts'

const CREDITS = '/v1/billing/credits'
const LEDGER = '/v1/billing/ledger'

const test = testWithHolders().extend<{
  operator: Tenant
  /** Runs in a transaction of the admin's tenant. */
  booked<T>(work: (db: Db) => Promise<T>): Promise<T>
}>({
  operator: async ({ newTenant }, use) => use(await newTenant('enterprise', ['super_admin', 'admin'])),
  booked: async ({ admin, runtime }, use) =>
    use((work) => withTenant(runtime.database, admin.id, 'write', work)),
})

const prepaid = (amount: number, source = `stripe:${randomUUID()}`) => ({
  kind: 'prepaid' as const,
  amount,
  source,
})

describe('GET /v1/billing/credits', () => {
  test('shows what is left by kind, and grants with their end', async ({ admin, booked, expect }) => {
    const before = Date.now()
    await booked(async (db) => {
      await grantCredits(db, prepaid(100.000001, 'stripe:evt_1'))
      await grantCredits(db, { kind: 'promotional', amount: 5, source: 'signup', reason: 'Welcome' })
      await spendCredits(db, { upTo: 6, source: 'invoice:1' })
      await holdCredits(db, { amount: 10, source: 'job:1', seconds: 60 })
    })
    const { body } = await admin.calls('GET', CREDITS)
    expect(body.balance).toEqual({
      available: 89.000001,
      held: 10,
      by_kind: { promotional: 0, rollover: 0, prepaid: 89.000001, compensation: 0 },
    })
    expect(body.grants).toMatchObject([
      { kind: 'promotional', amount: 5, available: 0, spent: 5, reason: 'Welcome' },
      {
        kind: 'prepaid',
        amount: 100.000001,
        available: 89.000001,
        held: 10,
        spent: 1,
        source: 'stripe:evt_1',
      },
    ])
    const days = (Date.parse(body.grants[0].expires_at) - before) / 86_400_000
    expect(Math.round(days)).toBe(90)
    const open = await admin.calls('GET', `${CREDITS}?open=true`)
    expect(open.body.grants).toMatchObject([{ kind: 'prepaid' }])
  })

  test('is for those who may read bills', async ({ newTenant, expect }) => {
    const viewer = await newTenant('pro', ['viewer'])
    for (const url of [CREDITS, LEDGER])
      expect((await viewer.calls('GET', url)).body.code).toBe('SCOPE_MISSING')
  })
})

describe('GET /v1/billing/ledger', () => {
  test('traces what a source has booked, also what was refunded of it, with entries that sum to zero', async ({
    admin,
    newTenant,
    booked,
    expect,
  }) => {
    await booked(async (db) => {
      await grantCredits(db, prepaid(10))
      await spendCredits(db, { upTo: 4, source: 'invoice:7' })
      await refundCredits(db, { source: 'invoice:7', amount: 1.5 })
      await spendCredits(db, { upTo: 1, source: 'invoice:8' })
    })
    const { body } = await admin.calls(
      'GET',
      `${LEDGER}?source=invoice:7&from=2020-01-01T00:00:00Z&to=2999-01-01T00:00:00%2B01:00`,
    )
    expect(body.transactions).toMatchObject([
      { seq: 3, kind: 'refund', source: 'refund:invoice:7', about: 'invoice:7', amount: 1.5 },
      {
        seq: 2,
        kind: 'spend',
        amount: 4,
        entries: [
          { account: 'credits:prepaid', amount: -4 },
          { account: 'usage', amount: 4 },
        ],
      },
    ])
    const refunds = await admin.calls('GET', `${LEDGER}?kind=refund`)
    expect(refunds.body.transactions).toHaveLength(1)
    const stranger = await newTenant('enterprise', ['admin'])
    expect((await stranger.calls('GET', `${LEDGER}?source=invoice:7`)).body.transactions).toEqual([])
  })

  test('comes in pages that miss nothing and repeat nothing', async ({ admin, booked, expect }) => {
    await booked(async (db) => {
      await grantCredits(db, prepaid(100))
      for (let at = 0; at < 6; at += 1) await spendCredits(db, { upTo: 1, source: `call:${at}` })
    })
    const seen: number[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page: { body: { transactions: { seq: number }[]; next_cursor: string | null } } =
        await admin.calls('GET', `${LEDGER}?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`)
      seen.push(...page.body.transactions.map(({ seq }) => seq))
      cursor = page.body.next_cursor
    }
    expect(seen).toEqual([7, 6, 5, 4, 3, 2, 1])
  })
})

describe('POST /v1/operator/tenants/:id/credits', () => {
  test('gives credits, with a record on both sides', async ({ admin, operator, expect }) => {
    const url = `/v1/operator/tenants/${admin.id}/credits`
    const input = { kind: 'compensation', amount: 12.5, reason: 'The outage' }
    const give = () => operator.calls('POST', url, input, { 'idempotency-key': 'k' })
    const [first, second] = [await give(), await give()]
    expect(first.status).toBe(201)
    expect(second.body).toEqual(first.body)
    const { source, id } = first.body.grant
    expect((await admin.calls('GET', CREDITS)).body).toMatchObject({
      balance: { available: 12.5 },
      grants: [{ id, reason: 'The outage' }],
    })
    expect((await admin.calls('GET', `${LEDGER}?source=${source}`)).body.transactions).toHaveLength(1)
    for (const [side, actor] of [
      [admin, { operator: true }],
      [operator, { user: operator.user }],
    ] as const)
      expect((await side.calls('GET', '/v1/audit')).body.audit[0]).toMatchObject({
        action: 'credits.granted',
        target: admin.id,
        actor,
        details: { amount: 12.5, source },
      })
  })

  test.for<[string, object]>([
    ['nothing', { amount: 0 }],
    ['less than nothing', { amount: -1 }],
    ['more than there may be', { amount: 1e12 }],
    ['a seventh decimal', { amount: 0.0000001 }],
    ['an end that is past', { expires_at: '2020-01-01T00:00:00Z' }],
    ['a kind that there is not', { kind: 'gold' }],
    ['no reason', { reason: ' ' }],
  ])('refuses %s', async ([, change], { admin, operator, expect }) => {
    const input = { kind: 'prepaid', amount: 1, reason: 'x', ...change }
    const { status } = await operator.calls('POST', `/v1/operator/tenants/${admin.id}/credits`, input)
    expect(status).toBe(400)
    expect((await admin.calls('GET', CREDITS)).body.grants).toEqual([])
  })

  test('knows no tenant by an id that there is not', async ({ operator, expect }) => {
    const input = { kind: 'prepaid', amount: 1, reason: 'x' }
    const { status } = await operator.calls('POST', `/v1/operator/tenants/${randomUUID()}/credits`, input)
    expect(status).toBe(404)
  })
})

describe('the ledger', () => {
  test('spends each credit once, however many spend at once', async ({ booked, expect }) => {
    await booked((db) => grantCredits(db, prepaid(10)))
    const spent = await Promise.all(
      Array.from({ length: 30 }, (_, at) =>
        booked((db) => spendCredits(db, { upTo: 0.7, source: `call:${at}` })),
      ),
    )
    expect(spent.reduce((sum, each) => sum + Math.round(each.spent * 10), 0)).toBe(100)
    expect((await booked(creditBalance)).available).toBe(0)
  })

  test('does what a source stands for once, also when that comes twice at once', async ({
    booked,
    expect,
  }) => {
    await Promise.all([1, 2, 3].map(() => booked((db) => grantCredits(db, prepaid(10, 'stripe:evt')))))
    expect((await booked(creditBalance)).available).toBe(10)
    const spend = () => booked((db) => spendCredits(db, { upTo: 4, source: 'invoice:1' }))
    expect(await Promise.all([spend(), spend()])).toEqual([{ spent: 4 }, { spent: 4 }])
    expect((await booked(creditBalance)).available).toBe(6)
    await expect(booked((db) => spendCredits(db, { upTo: 5, source: 'invoice:1' }))).rejects.toMatchObject({
      code: 'IDEMPOTENCY_MISMATCH',
    })
  })

  test('takes no second grant for a source, nor sources and holds without bounds', async ({
    booked,
    expect,
  }) => {
    await booked((db) => grantCredits(db, prepaid(10, 'stripe:evt')))
    const other = { kind: 'promotional' as const, amount: 10, source: 'stripe:evt' }
    await expect(booked((db) => grantCredits(db, other))).rejects.toMatchObject({
      code: 'IDEMPOTENCY_MISMATCH',
    })
    await expect(booked((db) => grantCredits(db, prepaid(1, 'x'.repeat(1000))))).rejects.toThrow(
      /source_check/,
    )
    for (const seconds of [0, -1, 1.5, 1e9])
      await expect(booked((db) => holdCredits(db, { amount: 1, source: 'job', seconds }))).rejects.toThrow(
        TypeError,
      )
    for (const amount of [Number.NaN, -1, 0, 1e12, 1e-7])
      await expect(booked((db) => grantCredits(db, prepaid(amount)))).rejects.toThrow(TypeError)
  })

  test('stays whole while everything happens to it at once', async ({ admin, booked, owner, expect }) => {
    await booked(async (db) => {
      for (let at = 0; at < 5; at += 1) await grantCredits(db, prepaid(20, `stripe:${at}`))
    })
    const act = async (at: number) => {
      const source = `job:${at % 12}`
      if (at % 4 === 0) await booked((db) => spendCredits(db, { upTo: 3.5, source }))
      else if (at % 4 === 1) await booked((db) => holdCredits(db, { amount: 2.25, source, seconds: 60 }))
      else if (at % 4 === 2) await booked((db) => captureHold(db, source, 1))
      else await booked((db) => refundCredits(db, { source, amount: 0.5, refund: `refund:${at}` }))
    }
    const ended = await Promise.allSettled(Array.from({ length: 120 }, (_, at) => act(at * 7)))
    const reasons = ended.flatMap((each) =>
      each.status === 'rejected' ? [(each.reason as { code?: string }).code] : [],
    )
    expect(
      new Set(reasons).difference(new Set(['NOT_FOUND', 'PRECONDITION_FAILED', 'STATE_CONFLICT'])),
    ).toEqual(new Set())
    const [sums] = await owner`
      select sum(amount)::float8 as total, sum(amount) filter (where account = 'sales')::float8 as sales,
        count(distinct seq)::int = max(seq)::int as gapless from ledger_entries where tenant_id = ${admin.id}`
    expect(sums).toEqual({ total: 0, sales: -100, gapless: true })
    const [grants] = await owner`
      select sum(available + held + spent)::float8 as whole, min(least(available, held, spent))::float8 >= 0 as positive
      from credit_grants where tenant_id = ${admin.id}`
    expect(grants).toEqual({ whole: 100, positive: true })
  })

  test('takes back a spending with the transaction that it was made in', async ({ booked, expect }) => {
    await booked((db) => grantCredits(db, prepaid(10)))
    const failing = booked(async (db) => {
      await spendCredits(db, { upTo: 4, source: 'invoice:1' })
      throw new Error('The invoice was not issued')
    })
    await expect(failing).rejects.toThrow('not issued')
    expect(await booked((db) => spendCredits(db, { upTo: 20, source: 'invoice:1' }))).toEqual({ spent: 10 })
  })

  test('holds what there is, and fails with a reason otherwise', async ({ booked, expect }) => {
    await booked((db) => grantCredits(db, prepaid(10)))
    const hold = (amount: number, source: string) =>
      booked((db) => holdCredits(db, { amount, source, seconds: 60 }))
    await hold(8, 'job:1')
    await expect(hold(3, 'job:2')).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
      facts: { details: { available: 2 } },
    })
    await expect(booked((db) => captureHold(db, 'job:1', 9))).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    })
    await booked((db) => captureHold(db, 'job:1', 5))
    await expect(booked((db) => releaseHold(db, 'job:1'))).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
    await expect(booked((db) => releaseHold(db, 'job:9'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await booked(creditBalance)).toMatchObject({ available: 5, held: 0 })
    const refund = { source: 'job:1', amount: 6 }
    await expect(booked((db) => refundCredits(db, refund))).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    })
  })

  test('expires what is due when a tick comes: a hold returns to its grant, and goes with it where that is past', async ({
    admin,
    booked,
    owner,
    ticks,
    expect,
  }) => {
    await booked(async (db) => {
      await grantCredits(db, { ...prepaid(10, 'stripe:old'), expiresAt: new Date(Date.now() + 3_600_000) })
      await holdCredits(db, { amount: 4, source: 'job:1', seconds: 7200 })
    })
    const pass = (what: 'credit_grants' | 'credit_holds') =>
      owner.begin(async (sql) => {
        if (what === 'credit_grants')
          await sql`update credit_grants set granted_at = now() - interval '2 hours', expires_at = now() - interval '1 hour' where tenant_id = ${admin.id}`
        else
          await sql`update credit_holds set expires_at = now() - interval '1 hour' where tenant_id = ${admin.id}`
        await sql`update ledgers set due_at = now() - interval '1 hour' where tenant_id = ${admin.id}`
      })
    await pass('credit_grants')
    expect((await booked(creditBalance)).available).toBe(0)
    await ticks()
    const grants = async () => (await admin.calls('GET', CREDITS)).body.grants
    expect(await grants()).toMatchObject([{ available: 0, held: 4, expired: 6 }])
    await pass('credit_holds')
    await ticks()
    expect(await grants()).toMatchObject([{ available: 0, held: 0, expired: 10 }])
    const { body } = await admin.calls('GET', LEDGER)
    expect(body.transactions.map(({ kind }: { kind: string }) => kind)).toEqual([
      'expiry',
      'release',
      'expiry',
      'hold',
      'grant',
    ])
  })

  test('is kept by the database: unbalanced entries and changes are refused, also to its owner', async ({
    admin,
    booked,
    owner,
    app,
    expect,
  }) => {
    await booked((db) => grantCredits(db, prepaid(10)))
    const [grant] = await owner`select id from credit_grants where tenant_id = ${admin.id}`
    const entry = (amount: number, account: string) => owner`
      insert into ledger_entries values (${admin.id}, 1, ${account}, ${grant?.['id']}, ${amount})`
    await expect(entry(1, 'held')).rejects.toThrow(/sum to zero/)
    const overdrawn = owner`
      insert into ledger_entries values (${admin.id}, 1, 'usage', ${grant?.['id']}, 11), (${admin.id}, 1, 'held', ${grant?.['id']}, -11)`
    await expect(overdrawn).rejects.toThrow(/credit_grants_held_check/)
    for (const statement of [
      'update ledger_entries set amount = 1',
      'delete from ledger_entries',
      'truncate ledger_entries',
      `update ledger_transactions set source = 'x'`,
      'delete from ledger_transactions',
    ])
      await expect(owner.unsafe(statement), statement).rejects.toThrow(/neither changed nor removed/)
    for (const statement of [
      'update credit_grants set available = 1',
      `insert into ledger_entries values (current_tenant(), 1, 'held', current_tenant(), 1)`,
      'update ledgers set due_at = null',
      'delete from credit_holds',
      `select ledger_spend(current_tenant(), now(), 1, 'x')`,
      `select grant_credits_to(current_tenant(), current_tenant(), 'prepaid', 1, now(), 'x', 'x')`,
    ])
      await expect(app.unsafe(statement), statement).rejects.toThrow(/permission denied/)
  })
})
