/** Usage: what calls leave behind is counted once, in its own time, and shown at once. */
import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { describe, inject } from 'vitest'
import { usageIn } from '../../../shared/metering/usage.ts'
import { withTenant } from '../../../shared/database/database.ts'
import { markOf } from '../../../shared/calls/record.ts'
import { insertColleague, testWith, type Tenant } from './world.ts'
import { call } from './in-process.ts'

const test = testWith()

const MANIFEST = '/v1/agentese/void/entropy/manifest'
const SIP = '/v1/agentese/void/entropy/sip'
const CREATE = '/v1/agentese/self/kgent/create'
const MESSAGE = '/v1/agentese/self/kgent/message'
const HOUSE = '/v1/agentese/world/house/define'

/** Amounts by meter. */
async function usageOf(tenant: Tenant, query = 'by=month'): Promise<Record<string, number>> {
  const rows = await rowsOf(tenant, query)
  return Object.fromEntries(rows.map((row) => [row.meter, row.quantity]))
}

interface UsageRow {
  period?: string
  label?: string | null
  name?: string
  meter: string
  quantity: number
}

async function rowsOf(tenant: Pick<Tenant, 'calls'>, query: string): Promise<UsageRow[]> {
  const { status, body } = await tenant.calls('GET', `/v1/usage?${query}`)
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body.usage
}

/** Each invocation as its period, or its label, and how many there were. */
async function invocationsOf(tenant: Tenant, query: string): Promise<Record<string, number>> {
  const rows = await rowsOf(tenant, `meter=invocations&${query}`)
  return Object.fromEntries(rows.map((row) => [row.period ?? String(row.label), row.quantity]))
}

interface Used {
  at?: string
  path?: string
  tokens?: number
}

/** What a call of the tenant left behind. */
async function leaves(db: postgres.Sql, { id, user }: Tenant, used: Used = {}): Promise<void> {
  const { at = new Date().toISOString(), path = 'world.house.manifest', tokens = 0 } = used
  const mark = randomUUID()
  await db`
    insert into marks (id, tenant_id, path, category, outcome, user_id, archetype, effects, charges, trace_id, duration_ms, at)
    values (${mark}, ${id}, ${path}, 'P', 'success', ${user}, 'developer', '{}', ${db.json(tokens > 0 ? { tokens } : {})}, 'trace', 2, ${at})`
  if (tokens === 0) return
  await db`
    insert into charges (tenant_id, reservation_id, kind, resource, amount, path, at, user_id)
    values (${id}, ${mark}, 'settled', 'tokens', ${tokens}, ${path}, ${at}, ${user})`
}

const rollUp = (db: postgres.Sql) => db`select roll_up_usage()`

/** Waits for what other tests have begun: nothing is counted past the oldest transaction that runs. */
async function countsAll(owner: postgres.Sql): Promise<void> {
  const [row] = await owner<[{ now: string }]>`select pg_current_xact_id()::text as now`
  for (;;) {
    await rollUp(owner)
    const [state] = await owner<{ done: boolean }[]>`select xid >= ${row.now}::xid8 as done from usage_state`
    if (state?.done === true) return
  }
}

describe('GET /v1/usage', () => {
  test('has what was used before it is counted, and the same after', async ({
    newTenant,
    owner,
    runtime,
    settles,
    expect,
  }) => {
    const tenant = await newTenant()
    await tenant.calls('POST', MANIFEST, {})
    const { body } = await tenant.calls('POST', CREATE, {})
    await tenant.calls('POST', MESSAGE, { session: body.result.id, message: 'What grows?' })
    await settles(tenant, () => ({ tokens: { prompt: 30, completion: 12 }, durationSeconds: 1.5 }))
    await runtime.recorder.flush()
    const before = await usageOf(tenant)
    expect(before).toMatchObject({
      tokens: 42,
      tokens_in: 30,
      tokens_out: 12,
      api_calls: 3,
      invocations: 3,
      sessions: 1,
      session_messages: 1,
      gpu_seconds: 1.5,
    })
    const byLabel = Promise.all(['path', 'model', 'hour', 'day'].map((by) => rowsOf(tenant, `by=${by}`)))
    const shown = await byLabel
    await countsAll(owner)
    expect(await usageOf(tenant)).toEqual(before)
    for (const [at, by] of ['path', 'model', 'hour', 'day'].entries())
      expect(await rowsOf(tenant, `by=${by}`)).toEqual(shown[at])
    expect(await rowsOf(tenant, 'by=model&meter=tokens')).toEqual([
      { label: 'test', meter: 'tokens', quantity: 42 },
    ])
  })

  test('shows who used what to admins only, and nothing to another tenant', async ({
    newTenant,
    owner,
    opened,
    runtime,
    expect,
  }) => {
    const [admin, other] = [await newTenant('pro', ['admin', 'developer']), await newTenant()]
    const colleague = await insertColleague(owner, admin, 'developer')
    const by = (query: string) => call(opened.app, colleague, 'GET', `/v1/usage?${query}`)
    await admin.calls('POST', MANIFEST, {})
    await call(opened.app, colleague, 'POST', MANIFEST, {})
    await runtime.recorder.flush()
    const people = await rowsOf(admin, 'by=person&meter=invocations')
    expect(people.map(({ quantity, name }) => ({ quantity, name }))).toEqual([
      { quantity: 1, name: 'Test' },
      { quantity: 1, name: 'Test' },
    ])
    expect(people.map(({ label }) => label)).toContain(admin.user)
    expect(await rowsOf(admin, 'by=key&meter=invocations')).toHaveLength(2)
    expect(await by('by=person')).toMatchObject({ status: 403, body: { code: 'SCOPE_MISSING' } })
    expect((await by('by=month&meter=invocations')).body.usage).toMatchObject([{ quantity: 2 }])
    expect(await rowsOf(other, 'by=path')).toEqual([])
  })

  test('counts a composition as one API call', async ({ newTenant, runtime, expect }) => {
    const tenant = await newTenant()
    const expression = 'void.entropy.sip >> void.entropy.manifest'
    expect((await tenant.calls('POST', '/v1/agentese/compose', { expression })).status).toBe(200)
    await runtime.recorder.flush()
    expect(await usageOf(tenant)).toMatchObject({ api_calls: 1, invocations: 2 })
  })

  test.for([
    ['a later stage', { inner: true }, 0],
    ['our own failure', { outcome: 'failure', code: 'INTERNAL' }, 0],
    ['a failure of its caller', { outcome: 'failure', code: 'NOT_FOUND' }, 1],
  ] as const)(
    'counts %s as an API call or not',
    async ([, facts, wanted], { newTenant, eventKey, expect }) => {
      const { id, user } = await newTenant()
      const { mark } = markOf(
        {
          id: randomUUID(),
          aspect: { path: 'a.b.c', category: 'P', effects: [] },
          function: 'a',
          tenant: id,
          tier: 'pro',
          user,
          archetype: 'developer',
          outcome: 'success',
          charges: {},
          traceId: 'trace',
          traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
          startedAt: 1,
          endedAt: 2,
          ...facts,
        },
        eventKey,
      )
      expect(mark.api_calls).toBe(wanted)
    },
  )

  test.for<[string, string, Record<string, number>]>([
    ['month', 'timezone=Asia/Kolkata', { '2026-09': 1, '2026-10': 4 }],
    ['month', 'timezone=UTC', { '2026-09': 3, '2026-10': 2 }],
    ['day', 'timezone=Asia/Kathmandu', { '2026-09-30': 1, '2026-10-01': 2, '2026-10-25': 2 }],
    ['path', 'from=2026-10-01&to=2026-11-01&timezone=Asia/Kolkata', { 'a.b.c': 3, 'd.e.f': 1 }],
    ['path', 'from=2026-10-01&to=2026-11-01', { 'a.b.c': 2 }],
    [
      'hour',
      'from=2026-10-25&to=2026-10-26&timezone=Europe/Berlin',
      { '2026-10-25T00:00:00Z': 1, '2026-10-25T01:00:00Z': 1 },
    ],
  ])('by %s has the calendar of %s', async ([by, query, wanted], { newTenant, owner, expect }) => {
    const tenant = await newTenant()
    // The month begins at 18:30 UTC in Kolkata, and at 18:15 in Kathmandu. Half past two comes twice in Berlin.
    const times = ['2026-09-30T18:14:59.999Z', '2026-09-30T18:30:00Z', '2026-09-30T18:45:00Z']
    for (const at of times)
      await leaves(owner, tenant, { at, path: at.includes('30:00') ? 'd.e.f' : 'a.b.c' })
    for (const at of ['2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z'])
      await leaves(owner, tenant, { at, path: 'a.b.c' })
    const range = query.includes('from=') ? '' : '&from=2026-09-01&to=2026-12-01'
    const asked = `by=${by}&${query}${range}`
    expect(await invocationsOf(tenant, asked)).toEqual(wanted)
    await countsAll(owner)
    expect(await invocationsOf(tenant, asked)).toEqual(wanted)
  })

  test.for([
    'from=2026-11-02&to=2026-11-01',
    'from=2024-01-01&to=2026-01-01',
    'timezone=%2B05:30',
    'timezone=Mars/Olympus',
    'from=2026-02-30',
    'limit=0',
    'meter=coffee',
    'cursor=W10',
  ])('refuses %s', async (query, { newTenant, expect }) => {
    const tenant = await newTenant()
    expect(await tenant.calls('GET', `/v1/usage?${query}`)).toMatchObject({
      status: 400,
      body: { code: 'TYPE_MISMATCH' },
    })
  })

  test('comes in pages that have every row once', async ({ newTenant, owner, expect }) => {
    const tenant = await newTenant()
    for (const name of ['a', 'b', 'c', 'd', 'e'])
      await leaves(owner, tenant, { path: `world.${name}.manifest` })
    const labels: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page = `by=path&meter=invocations&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`
      const { body } = await tenant.calls('GET', `/v1/usage?${page}`)
      labels.push(...body.usage.map(({ label }: UsageRow) => label))
      cursor = body.next_cursor
    }
    expect(labels.sort()).toEqual(['a', 'b', 'c', 'd', 'e'].map((name) => `world.${name}.manifest`))
  })
})

describe('roll_up_usage()', () => {
  test('counts each row once, whatever the order of commits, and two at once', async ({
    newTenant,
    owner,
    expect,
  }) => {
    const tenant = await newTenant()
    const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>()
    const { promise: written, resolve: hasWritten } = Promise.withResolvers<void>()
    const other = postgres(inject('servers').postgres.owner, { max: 4, onnotice: () => {} })
    const slow = other.begin(async (db) => {
      await leaves(db as unknown as postgres.Sql, tenant, { tokens: 10 })
      hasWritten()
      await mayCommit
    })
    await written
    await leaves(owner, tenant, { tokens: 5 })
    await Promise.all([rollUp(other), rollUp(other), rollUp(other)])
    // What has committed is after what has not: it is not counted yet, and shown all the same.
    expect(await usageOf(tenant)).toMatchObject({ tokens: 5, invocations: 1 })
    commit()
    await slow
    expect(await usageOf(tenant)).toMatchObject({ tokens: 15, invocations: 2 })
    await Promise.all([countsAll(owner), rollUp(other), rollUp(other)])
    await other.end()
    expect(await usageOf(tenant)).toMatchObject({ tokens: 15, invocations: 2 })
    const [sums] = await owner`
      select (select sum(quantity) from usage_daily where tenant_id = ${tenant.id} and meter = 'tokens')::int as daily,
        (select quantity from usage_periods where tenant_id = ${tenant.id} and meter = 'tokens' and length(period) = 7)::int as month`
    expect(sums).toEqual({ daily: 15, month: 15 })
  })

  test('counts nothing where it is killed before it commits, and everything the next time', async ({
    newTenant,
    owner,
    expect,
  }) => {
    const tenant = await newTenant()
    await leaves(owner, tenant, { tokens: 7 })
    // Killed at any point before its commit, a session leaves what one leaves that rolls back.
    const dying = owner.begin(async (db) => {
      await db`select roll_up_usage()`
      throw new Error('killed')
    })
    await expect(dying).rejects.toThrow('killed')
    expect(await usageOf(tenant)).toMatchObject({ tokens: 7 })
    await countsAll(owner)
    expect(await usageOf(tenant)).toMatchObject({ tokens: 7 })
  })

  test('puts what comes late where it belongs', async ({ newTenant, owner, expect }) => {
    const tenant = await newTenant()
    await countsAll(owner)
    await leaves(owner, tenant, { at: '2026-10-05T23:59:59.999Z' })
    await countsAll(owner)
    expect(await invocationsOf(tenant, 'by=hour&from=2026-10-01&to=2026-11-01')).toEqual({
      '2026-10-05T23:00:00Z': 1,
    })
  })

  test('names at most 100 paths of an hour', async ({ newTenant, owner, expect }) => {
    const tenant = await newTenant()
    const at = '2026-10-05T10:00:00Z'
    await owner`
      insert into marks (id, tenant_id, path, category, outcome, archetype, effects, trace_id, duration_ms, at)
      select gen_random_uuid(), ${tenant.id}, 'world.h' || n % 130 || '.manifest', 'P', 'success', 'developer', '{}', 't', 1, ${at}
      from generate_series(1, 260) as n`
    await countsAll(owner)
    await leaves(owner, tenant, { at, path: 'world.h1.manifest' })
    await leaves(owner, tenant, { at, path: 'world.new.manifest' })
    await countsAll(owner)
    const paths = await invocationsOf(tenant, 'by=path&from=2026-10-01&to=2026-11-01&limit=1000')
    expect(Object.keys(paths)).toHaveLength(101)
    expect(paths).toMatchObject({ other: 61, 'world.h1.manifest': 3 })
  })

  test('goes on where transactions are numbered anew, and meets no row again', async ({
    newTenant,
    owner,
    expect,
  }) => {
    const tenant = await newTenant()
    await leaves(owner, tenant)
    await countsAll(owner)
    // As after a restore: the numbers are of another server, and the last of them were not counted there.
    await owner.begin(async (db) => {
      await db`update usage_state set xid = '9000000000000'`
      await leaves(db as unknown as postgres.Sql, tenant)
      await db`update marks set xid = '9000000000001' where tenant_id = ${tenant.id} and xid = pg_current_xact_id()`
      await db`select roll_up_usage()`
    })
    await leaves(owner, tenant)
    await countsAll(owner)
    expect(await invocationsOf(tenant, 'by=month')).toMatchObject({
      [new Date().toISOString().slice(0, 7)]: 3,
    })
  })
})

describe('usageIn()', () => {
  test('has each period its own, exactly', async ({ newTenant, owner, runtime, expect }) => {
    const tenant = await newTenant()
    await leaves(owner, tenant, { at: '2026-09-30T23:59:59.999Z', tokens: 1 })
    await leaves(owner, tenant, { at: '2026-10-01T00:00:00Z', tokens: 2 })
    await owner`
      insert into storage_samples (tenant_id, at, bytes)
      select ${tenant.id}, at, 3000000000 from generate_series('2026-09-30T12:00Z'::timestamptz, '2026-10-01T11:00Z', '1 hour') as at`
    const read = (from: string, to: string) =>
      withTenant(runtime.database, tenant.id, 'read', (db) =>
        usageIn(db, { from: new Date(from), to: new Date(to) }),
      )
    const [september, october] = ['2026-09-01T00:00Z', '2026-10-01T00:00Z']
    for (const isCounted of [false, true]) {
      if (isCounted) await countsAll(owner)
      // 3 GB for half a day, of 30 and of 31 days.
      expect(await read(september, october)).toEqual({
        tokens: '1',
        api_calls: '1',
        sessions: '0',
        storage_gb_months: '0.05',
        gpu_seconds: '0',
      })
      expect(await read(october, '2026-11-01T00:00Z')).toMatchObject({
        tokens: '2',
        storage_gb_months: '0.048387',
      })
    }
  })
})

describe('GET /v1/usage/current', () => {
  test('has limits, what is used of them, and what use past them costs', async ({
    newTenant,
    owner,
    expect,
  }) => {
    const tenant = await newTenant('starter')
    await leaves(owner, tenant, { tokens: 101_500 })
    const { body } = await tenant.calls('GET', '/v1/usage/current')
    const [tokens] = body.meters
    expect(tokens).toMatchObject({
      meter: 'tokens',
      every: 'month',
      used: 101_500,
      limit: 100_000,
      percent: 101.5,
      overage_cents: 1.5,
    })
    expect(tokens.projected).toBeGreaterThanOrEqual(101_500)
    const calls = body.meters.filter(({ meter }: { meter: string }) => meter === 'api_calls')
    expect(calls).toMatchObject([
      { every: 'month', used: 1, limit: 30_000 },
      { every: 'day', used: 1, limit: 1000 },
    ])
  })
})

describe('usage alerts', () => {
  const REACHED = 'io.kgents.usage.threshold_reached'

  /** Thresholds that tenants were informed of, in their order. */
  const thresholdsOf = async (owner: postgres.Sql, { id }: Tenant) => {
    const rows = await owner<{ event: string }[]>`
      select event from outbox where tenant_id = ${id} and event::jsonb ->> 'type' = ${REACHED}`
    return rows
      .map(({ event }) => JSON.parse(event).data as { meter: string; threshold: number; limit: number })
      .map(({ meter, threshold }) => `${meter} ${threshold}`)
      .sort()
  }

  test('come once for each threshold, also for those that are jumped over, and two processes at once', async ({
    newTenant,
    owner,
    ticks,
    expect,
  }) => {
    const tenant = await newTenant('free')
    await leaves(owner, tenant, { tokens: 4999 })
    await countsAll(owner)
    await ticks()
    expect(await thresholdsOf(owner, tenant)).toEqual([])
    await leaves(owner, tenant, { tokens: 1 })
    await countsAll(owner)
    await Promise.all([ticks(), ticks()])
    expect(await thresholdsOf(owner, tenant)).toEqual(['tokens 50'])
    await leaves(owner, tenant, { tokens: 9000 })
    await Promise.all([countsAll(owner), countsAll(owner)])
    await Promise.all([ticks(), ticks()])
    await leaves(owner, tenant, { tokens: 9000 })
    await countsAll(owner)
    await ticks()
    expect(await thresholdsOf(owner, tenant)).toEqual(['tokens 100', 'tokens 50', 'tokens 80'])
  })

  test('are for the period that it is, and not for what comes late', async ({
    newTenant,
    owner,
    ticks,
    expect,
  }) => {
    const tenant = await newTenant('free')
    await leaves(owner, tenant, { tokens: 50_000, at: '2026-10-05T10:00:00Z' })
    await countsAll(owner)
    await ticks()
    expect(await thresholdsOf(owner, tenant)).toEqual([])
  })
})

describe('GET /v1/operator/metering', () => {
  test('shows a sum that is wrong, and has it counted again', async ({ newTenant, owner, expect }) => {
    const [operator, tenant] = [await newTenant('enterprise', ['super_admin', 'admin']), await newTenant()]
    const day = '2026-10-05'
    await leaves(owner, tenant, { at: `${day}T10:00:00Z`, tokens: 12 })
    await leaves(owner, tenant, { at: '2026-10-06T10:00:00Z', tokens: 3 })
    await countsAll(owner)
    const reconcile = () => owner`select reconcile_usage(${tenant.id}, ${day})`
    const shown = async (query: string) => {
      const { body } = await operator.calls('GET', `/v1/operator/metering?tenant=${tenant.id}&${query}`)
      return body.reconciliations
    }
    await reconcile()
    expect(await shown(`day=${day}`)).toMatchObject([
      { meter: 'tokens', ledger: 12, daily: 12, hourly: 12, quarters: 12, events: 12, discrepancy: 0 },
      { meter: 'invocations', ledger: 1, discrepancy: 0 },
      { meter: 'compute_seconds', ledger: 0.002, discrepancy: 0 },
      { meter: 'api_calls', ledger: 1, discrepancy: 0 },
    ])
    await owner`update usage_hourly set quantity = quantity + 5 where tenant_id = ${tenant.id} and meter = 'tokens'`
    await owner`delete from usage_quarters where tenant_id = ${tenant.id} and meter = 'invocations' and quarter < '2026-10-06T00:00Z'`
    await reconcile()
    expect(await shown('differing=true')).toMatchObject([
      { meter: 'tokens', ledger: 12, hourly: 17, discrepancy: 5 },
      { meter: 'invocations', quarters: 0, discrepancy: 1 },
    ])
    const { status, body } = await operator.calls('POST', '/v1/operator/metering/recount', {
      tenant: tenant.id,
      day,
    })
    expect({
      status,
      wrong: body.reconciliations.filter((row: { discrepancy: number }) => row.discrepancy !== 0),
    }).toEqual({ status: 200, wrong: [] })
    expect(await usageOf(tenant, 'by=month&from=2026-10-01&to=2026-11-01')).toMatchObject({
      tokens: 15,
      invocations: 2,
    })
    const [month] = await owner`
      select quantity::int from usage_periods where tenant_id = ${tenant.id} and meter = 'tokens' and period = '2026-10'`
    expect(month).toEqual({ quantity: 15 })
  })

  test('has each day that is over reconciled, tenant by tenant', async ({ newTenant, owner, expect }) => {
    const tenant = await newTenant()
    // A day counts as over 15 minutes after midnight.
    const [past] = await owner<[{ day: string; before: string }]>`
      select ((now() - interval '2 days') at time zone 'UTC')::date::text as day, reconcile_day::text as before from usage_state`
    await leaves(owner, tenant, { at: `${past.day}T10:00:00Z` })
    await countsAll(owner)
    await owner.begin(async (db) => {
      await db`select from usage_state for update`
      await db`update usage_state set reconcile_day = ${past.day}, reconciled_tenant = nobody()`
    })
    await Promise.all([1, 2].map(() => owner`select reconcile_usage_days(100000)`))
    const rows = await owner`
      select meter from usage_reconciliations where tenant_id = ${tenant.id} and day = ${past.day} and discrepancy = 0`
    expect(rows).toHaveLength(3)
  })
})

describe('storage', () => {
  test('is sampled once an hour, and for hours that passed unseen', async ({ newTenant, owner, expect }) => {
    const tenant = await newTenant('pro')
    const input = { entity_type: 'building', description: 'A house', state: { plan: 'x'.repeat(2000) } }
    expect((await tenant.calls('POST', HOUSE, input)).status).toBe(200)
    await owner`update usage_state set storage_hour = date_trunc('hour', now()) - interval '2 hours'`
    const other = postgres(inject('servers').postgres.owner, { max: 2, onnotice: () => {} })
    await Promise.all([1, 2].map(() => other`select sample_storage()`))
    await other.end()
    const samples = await owner<{ bytes: string }[]>`
      select bytes from storage_samples where tenant_id = ${tenant.id}`
    expect(samples).toHaveLength(3)
    const { body } = await tenant.calls('GET', '/v1/usage/current')
    expect(body.storage_bytes).toBe(Number(samples[0]?.bytes))
    expect(body.storage_bytes).toBeGreaterThan(100)
    const { storage_bytes_written: written } = await usageOf(tenant)
    expect(written).toBeGreaterThan(2000)
  })
})

describe('what metering costs a call', () => {
  test('is no transaction of its own: all that a call leaves behind is written in one', async ({
    newTenant,
    owner,
    runtime,
    expect,
  }) => {
    const tenant = await newTenant()
    await tenant.calls('POST', SIP, { amount: 0.01 })
    const written = (table: string) =>
      owner`select distinct xid::text from ${owner(table)} where tenant_id = ${tenant.id}`
    const write = await Promise.all(['marks', 'charges', 'outbox'].map(written))
    expect(new Set(write.flat().map(({ xid }) => xid)).size).toBe(1)
    await tenant.calls('POST', MANIFEST, {})
    await runtime.recorder.flush()
    const [marks, outbox] = await Promise.all(['marks', 'outbox'].map(written))
    expect(marks).toEqual(outbox)
    expect(marks).toHaveLength(2)
  })
})
