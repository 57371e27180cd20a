/** Plans: what is on offer, who is on which version, and that no limit is passed, whoever tries at once. */
import { randomUUID } from 'node:crypto'
import { describe, expect as always } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { openDatabase, withTenant } from '../../../shared/database/database.ts'
import { reserveTokens } from '../../../shared/plans/allowance.ts'
import { CallLeases, dayOf } from '../../../shared/plans/call-leases.ts'
import { takePlace } from '../../../shared/plans/holdings.ts'
import type { Plan } from '../../../shared/plans/plan.ts'
import { eventually } from '../../eventually.ts'
import { planWith, PLANS } from '../../plans.ts'
import { testWithHolders } from './holders.ts'
import { call, openFunctions, type OpenFunctions } from './in-process.ts'
import { inOwnDatabase, useUp, type Tenant, type World } from './world.ts'

const MANIFEST = '/v1/agentese/void/entropy/manifest'
const OPERATOR_PLANS = '/v1/operator/plans'
/** Codes and messages of the failures that a promise came to. */
const codeOf = (error: unknown) => (error as { code?: string }).code ?? String(error)

/** Two processes, as far as the database can see. */
const openPools = (url: string, connections: number) => {
  const open = () => openDatabase(url, { connections })
  return [open(), open()] as const
}

type Limits = Record<string, number | null>

interface Plans {
  operator: Tenant
  /** A version of a plan for one tenant, with other limits; the tenant is on it, and so known from its next credential on. */
  puts(tenant: Tenant, id: string, changes?: { limits?: Limits; features?: string[] }): Promise<number>
  /** A second process: functions with connections of their own. */
  other: OpenFunctions
}

const test = testWithHolders([], {}, inOwnDatabase).extend<Plans>({
  operator: [
    async ({ newTenant }, use) => use(await newTenant('enterprise', ['super_admin', 'admin'])),
    { scope: 'test' },
  ],
  puts: async ({ operator, passTime }, use) =>
    use(async (tenant, id, { limits, features } = {}) => {
      const { body } = await operator.calls('GET', '/v1/plans')
      const offered = body.plans.find((plan: { id: string }) => plan.id === id)
      const { version: _, effective_at: __, ...terms } = offered
      const wanted = {
        ...terms,
        made_for: tenant.id,
        limits: { ...terms.limits, ...limits },
        features: features ?? terms.features,
      }
      const made = await operator.calls('POST', OPERATOR_PLANS, wanted)
      always(made.status, JSON.stringify(made.body)).toBe(201)
      const { version } = made.body.plan
      const put = await operator.calls('PUT', `/v1/operator/tenants/${tenant.id}/plan`, { plan: id, version })
      always(put.status, JSON.stringify(put.body)).toBe(200)
      passTime()
      return version
    }),
  other: async ({ eventKey, urls }, use) => {
    const opened = await openFunctions({ functions: catalog, databaseUrl: urls.app, eventKey })
    await use(opened)
    await opened.close()
  },
})

const shown = async (tenant: Tenant) => (await tenant.calls('GET', '/v1/tenant')).body.tenant

describe('GET /v1/plans', () => {
  test('shows what is on offer to whoever asks, from the smallest to the largest', async ({
    opened,
    expect,
  }) => {
    const response = await opened.app.request('/v1/plans')
    const { plans } = (await response.json()) as { plans: { id: string; limits: Limits }[] }
    expect(plans.map(({ id }) => id)).toEqual(Object.keys(PLANS))
    expect(plans[1]).toMatchObject({
      price_month_cents: 2900,
      trial_days: 14,
      limits: { api_calls_per_day: 1000, seats: 1, storage_bytes: 1_000_000_000 },
      overage: { tokens: { cents: '1', per: 1000 } },
    })
  })
})

describe('a version of a plan', () => {
  test('is kept by whoever bought it, and is what others get from then on', async ({
    newTenant,
    operator,
    owner,
    opened,
    expect,
  }) => {
    const before = await newTenant('team')
    const { plan_version } = await shown(before)
    const { body } = await operator.calls('GET', '/v1/plans')
    const { version: _, effective_at: __, ...terms } = body.plans[3]
    // Its limits stay, since later tests have tenants on it.
    const made = await operator.calls('POST', OPERATOR_PLANS, { ...terms, price_month_cents: 59_900 })
    expect(made.body.plan).toMatchObject({ id: 'team', price_month_cents: 59_900 })
    const { version } = made.body.plan
    expect(version).toBeGreaterThan(plan_version)
    expect(await shown(before)).toMatchObject({ tier: 'team', plan_version })
    expect(await shown(await newTenant('team'))).toMatchObject({ tier: 'team', plan_version: version })
    const [sold] = await owner`select price_month_cents::int from offered_plans() where id = 'team'`
    expect(sold).toEqual({ price_month_cents: 59_900 })
    const identity = await opened.runtime.findPlan('team', plan_version)
    expect(identity.price.monthCents).toBe(49_900)
  })

  test('is sold from its time on, and not before', async ({ operator, newTenant, expect }) => {
    const { body } = await operator.calls('GET', '/v1/plans')
    const { version: _, ...terms } = body.plans[2]
    const later = { ...terms, effective_at: '2100-01-01T00:00:00Z' }
    const made = await operator.calls('POST', OPERATOR_PLANS, later)
    expect(made.body.plan.effective_at).toBe('2100-01-01T00:00:00.000Z')
    const tenant = await newTenant('pro')
    expect((await shown(tenant)).plan_version).toBeLessThan(made.body.plan.version)
    const put = { plan: 'pro', version: made.body.plan.version }
    expect((await operator.calls('PUT', `/v1/operator/tenants/${tenant.id}/plan`, put)).status).toBe(404)
  })

  test('is neither changed nor removed, not even by the owner of the database', async ({ owner, expect }) => {
    const tries = [
      `update plans set price_month_cents = 0`,
      `delete from plans where id = 'pro'`,
      `truncate plans cascade`,
    ]
    for (const statement of tries)
      await expect(owner.unsafe(statement)).rejects.toThrow(/neither changed nor removed/)
  })

  test('that was made for one tenant is for no other, and no other sees it', async ({
    newTenant,
    operator,
    owner,
    app,
    puts,
    expect,
  }) => {
    const [acme, globex] = [await newTenant('enterprise'), await newTenant('enterprise')]
    const version = await puts(acme, 'enterprise', { limits: { agents: 7 } })
    expect(await shown(acme)).toMatchObject({ plan_version: version, limits: { agents: 7 } })
    const put = { plan: 'enterprise', version }
    expect((await operator.calls('PUT', `/v1/operator/tenants/${globex.id}/plan`, put)).status).toBe(404)
    await expect(owner`update tenants set plan_version = ${version} where id = ${globex.id}`).rejects.toThrow(
      /made for another/,
    )
    const seen = await app.begin(async (db) => {
      await db`select set_tenant_context(${globex.id})`
      return db`select from plans where version = ${version} and id = 'enterprise'`
    })
    expect(seen).toHaveLength(0)
    const offered = (await operator.calls('GET', '/v1/plans')).body.plans
    expect(offered.at(-1).version).not.toBe(version)
  })

  test('leaves records in both audits, and an event', async ({
    newTenant,
    operator,
    puts,
    owner,
    expect,
  }) => {
    const tenant = await newTenant('pro', ['admin'])
    const version = await puts(tenant, 'pro')
    const record = { from: 'pro@1', to: `pro@${version}` }
    const own = (await operator.calls('GET', '/v1/audit')).body.audit
    expect(own).toMatchObject([
      { action: 'tenant.plan_changed', details: { to: record.to } },
      { action: 'plan.made', target: `pro@${version}` },
    ])
    const theirs = (await tenant.calls('GET', '/v1/audit')).body.audit
    expect(theirs).toMatchObject([{ action: 'tenant.plan_changed', actor: { operator: true } }])
    const [row] = await owner<{ event: string }[]>`
      select event from outbox where tenant_id = ${operator.id} and event like '%plan_changed%'`
    expect(JSON.parse(row?.event ?? '{}')).toMatchObject({
      type: 'io.kgents.tenants.plan_changed',
      data: { tenant: tenant.id, to: { plan: 'pro', version } },
    })
  })

  test.for([
    ['a price below zero', { price_month_cents: -1 }],
    ['a price beyond all numbers', { price_month_cents: 1e300 }],
    ['a part of a cent', { price_month_cents: 0.5 }],
    ['a feature that is none', { features: ['immortality'] }],
    ['a limit below zero', { limits: { agents: -1 } }],
    ['no rate at all', { limits: { requests_per_minute: 0 } }],
    ['a meter that is none', { overage: { smiles: { cents: '1', per: 1 } } }],
    ['a price that is no decimal', { overage: { tokens: { cents: '1e9', per: 1000 } } }],
    ['a plan that is none', { id: 'gold' }],
    ['a member that is none', { admin_bypass: true }],
  ] as const)('is not made with %s', async ([, wrong], { operator, owner, expect }) => {
    const count = () => owner`select count(*)::int from plans where created_by = ${operator.user}`
    const { body } = await operator.calls('GET', '/v1/plans')
    const { version: _, effective_at: __, ...terms } = body.plans[4]
    const limits = { ...terms.limits, ...('limits' in wrong ? wrong.limits : {}) }
    const { status } = await operator.calls('POST', OPERATOR_PLANS, { ...terms, ...wrong, limits })
    expect(status).toBe(400)
    expect(await count()).toEqual([{ count: 0 }])
  })

  test('is for operators alone to make and to give', async ({ admin, newTenant, expect }) => {
    const tenant = await newTenant('free')
    const tries = [
      admin.calls('POST', OPERATOR_PLANS, {}),
      admin.calls('PUT', `/v1/operator/tenants/${tenant.id}/plan`, { plan: 'enterprise' }),
      admin.calls('PUT', `/v1/operator/tenants/${admin.id}/plan`, { plan: 'enterprise' }),
    ]
    for (const { status, body } of await Promise.all(tries)) expect([400, 403], body.code).toContain(status)
    expect((await shown(tenant)).tier).toBe('free')
  })
})

describe('calls a day', () => {
  /** Takes calls in each of `processes` at once, and answers how many were let through. */
  async function hammer(processes: CallLeases[], count: number, subscriber: { tenant: string; plan: Plan }) {
    const takes = processes.flatMap((leases) =>
      Array.from({ length: count }, async () => {
        await leases.take(subscriber)
      }),
    )
    const outcomes = await Promise.allSettled(takes)
    const refusals = outcomes.flatMap((each) => (each.status === 'rejected' ? [codeOf(each.reason)] : []))
    expectOnly(refusals, 'QUOTA_EXCEEDED')
    return outcomes.length - refusals.length
  }

  function expectOnly(codes: string[], code: string) {
    const others = codes.filter((each) => each !== code)
    if (others.length > 0) throw new Error(`Refused by ${others[0]}`)
  }

  async function usedToday(owner: World['owner'], tenant: string) {
    const [row] = await owner<{ spent: number; reserved: number }[]>`
      select spent::int, reserved::int from allowances
      where tenant_id = ${tenant} and resource = 'api_calls' and period = ${dayOf(new Date())}`
    return row
  }

  test('1,000 at once against a balance for 100 let exactly 100 through, over four processes', async ({
    newTenant,
    owner,
    urls,
    expect,
  }) => {
    const { id: tenant } = await newTenant()
    const databases = Array.from({ length: 4 }, () => openDatabase(urls.app, { connections: 2 }))
    const processes = databases.map((database) => new CallLeases({ database }))
    const plan = planWith({ apiCallsPerDay: 100 })
    expect(await hammer(processes, 250, { tenant, plan })).toBe(100)
    await Promise.all(processes.map((each) => each.close()))
    expect(await usedToday(owner, tenant)).toEqual({ spent: 100, reserved: 0 })
    await Promise.all(databases.map((each) => each.close()))
  })

  test('that two processes lease in the very same moment are leased once', async ({
    newTenant,
    owner,
    runtime,
    expect,
  }) => {
    const { id: tenant } = await newTenant()
    const plan = planWith({ apiCallsPerDay: 11 })
    const processes = [new CallLeases(runtime), new CallLeases(runtime)]
    // So few are leased as they come: one is left.
    expect(await hammer(processes, 5, { tenant, plan })).toBe(10)
    let hammering: Promise<number> | undefined
    await owner.begin(async (db) => {
      await db`select from allowances where tenant_id = ${tenant} for update`
      hammering = hammer(processes, 1, { tenant, plan })
      // Both are as far as they come without the other.
      await eventually(async () => {
        // On another connection: within a transaction these figures stand still.
        const waiting = await owner`
          select from pg_stat_activity where wait_event_type = 'Lock' and query like '%lease_api_calls%'`
        expect(waiting.length).toBeGreaterThanOrEqual(2)
      })
    })
    expect(await hammering).toBe(1)
    await Promise.all(processes.map((each) => each.close()))
    expect(await usedToday(owner, tenant)).toEqual({ spent: 11, reserved: 0 })
  })

  test('that one process has leased and not used are there for another when it stops', async ({
    newTenant,
    owner,
    runtime,
    expect,
  }) => {
    const { id: tenant } = await newTenant()
    const { database } = runtime
    const plan = planWith({ apiCallsPerDay: 2000 })
    const [first, second] = [new CallLeases({ database }), new CallLeases({ database })]
    expect(await hammer([first], 1, { tenant, plan })).toBe(1)
    expect(await usedToday(owner, tenant)).toEqual({ spent: 0, reserved: 100 })
    expect(await hammer([second], 1950, { tenant, plan })).toBe(1900)
    await first.close()
    await second.close()
    expect(await usedToday(owner, tenant)).toEqual({ spent: 1901, reserved: 0 })
    const third = new CallLeases({ database })
    expect(await hammer([third], 150, { tenant, plan })).toBe(99)
    await third.close()
  })

  test('begin anew with the day, and those of the day before are given back', async ({
    newTenant,
    owner,
    runtime,
    expect,
  }) => {
    const { id: tenant } = await newTenant()
    let now = Date.now()
    const leases = new CallLeases({ database: runtime.database, now: () => now })
    const subscriber = { tenant, plan: planWith({ apiCallsPerDay: 40 }) }
    expect(await hammer([leases], 39, subscriber)).toBe(39)
    now += 86_400_000
    expect(await hammer([leases], 50, subscriber)).toBe(40)
    await leases.close()
    const rows = await owner`
      select spent::int, reserved::int from allowances where tenant_id = ${tenant} order by period`
    expect(rows).toEqual([
      { spent: 39, reserved: 0 },
      { spent: 40, reserved: 0 },
    ])
  })

  test('are those of paths alone: whoever has none left can still see why', async ({
    newTenant,
    puts,
    other,
    opened,
    owner,
    expect,
  }) => {
    const tenant = await newTenant('pro')
    await puts(tenant, 'pro', { limits: { api_calls_per_day: 10 } })
    const [{ key }] = [await addKey(owner, tenant)]
    const calls = Array.from({ length: 30 }, (_, at) =>
      call(at % 2 === 0 ? opened.app : other.app, key, 'POST', MANIFEST, {}),
    )
    const statuses = (await Promise.all(calls)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(10)
    expect(statuses.filter((status) => status === 429)).toHaveLength(20)
    const refused = await call(opened.app, key, 'POST', MANIFEST, {})
    expect(refused.body).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { resource: 'api_calls', tier: 'pro', limit: 10 },
    })
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(86_400)
    const { body } = await call(opened.app, key, 'GET', '/v1/tenant')
    expect(body.tenant).toMatchObject({ limits: { api_calls_per_day: 10 }, used: { api_calls_today: 10 } })
  })

  test('go on past the plan for whoever allows it and has a price for it', async ({
    newTenant,
    runtime,
    expect,
  }) => {
    const { id: tenant } = await newTenant()
    const leases = new CallLeases({ database: runtime.database })
    const limits = { apiCallsPerDay: 5 }
    const priced = { tenant, plan: planWith(limits, PLANS.pro), overage: true }
    expect(await hammer([leases], 12, priced)).toBe(12)
    const { id: free } = await newTenant()
    expect(await hammer([leases], 12, { ...priced, tenant: free, plan: planWith(limits, PLANS.free) })).toBe(
      5,
    )
    await leases.close()
  })
})

async function addKey(owner: World['owner'], tenant: Tenant) {
  const { createApiKey } = await import('../../../shared/identity/api-keys.ts')
  const { key, prefix, hash } = createApiKey()
  await owner`insert into api_keys (id, tenant_id, user_id, name, key_prefix, key_hash)
    values (${randomUUID()}, ${tenant.id}, ${tenant.user}, 'second', ${prefix}, ${hash})`
  return { key }
}

describe('what is reserved where the work happens', () => {
  const MONTH = new Date().toISOString().slice(0, 7)

  test('tokens: at once from two pools, as many as there are and not one more', async ({
    newTenant,
    owner,
    urls,
    expect,
  }) => {
    const { id: tenant } = await newTenant()
    const plan = planWith({ tokensPerMonth: 1000 })
    const databases = openPools(urls.app, 3)
    const tries = Array.from({ length: 40 }, (_, at) =>
      withTenant(databases[at % 2 === 0 ? 0 : 1], tenant, 'write', (db) =>
        reserveTokens(db, { tenant, plan }, 40, MONTH),
      ),
    )
    const outcomes = await Promise.allSettled(tries)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(25)
    const [row] = await owner`select reserved::int from allowances where tenant_id = ${tenant}`
    expect(row).toEqual({ reserved: 1000 })
    await Promise.all(databases.map((each) => each.close()))
  })

  test('agents, tools and entities: at once from two pools', async ({ newTenant, owner, urls, expect }) => {
    const { id: tenant } = await newTenant()
    const plan = planWith({ agents: 3, tools: 0, entities: 1 })
    const databases = openPools(urls.app, 3)
    for (const [kind, room] of [
      ['agent', 3],
      ['tool', 0],
      ['entity', 1],
    ] as const) {
      const tries = Array.from({ length: 10 }, (_, at) =>
        withTenant(databases[at % 2 === 0 ? 0 : 1], tenant, 'write', (db) =>
          takePlace(db, { tenant, plan }, kind),
        ),
      )
      const outcomes = await Promise.allSettled(tries)
      expect(
        outcomes.filter(({ status }) => status === 'fulfilled'),
        kind,
      ).toHaveLength(room)
    }
    const rows = await owner`select kind, held from holdings where tenant_id = ${tenant} order by kind`
    expect(rows).toEqual([
      { kind: 'agent', held: 3 },
      { kind: 'entity', held: 1 },
    ])
    await Promise.all(databases.map((each) => each.close()))
  })

  test('the last seat: of invitations accepted at once in two processes, one person comes in', async ({
    newTenant,
    puts,
    opened,
    other,
    expect,
  }) => {
    const tenant = await newTenant('team', ['admin'])
    await puts(tenant, 'team', { limits: { seats: 2 } })
    const people = ['a', 'b', 'c', 'd'].map((name) => ({ email: `${name}@seats.example`, name }))
    const invited = await Promise.all(
      people.map(({ email }) => tenant.calls('POST', '/v1/invitations', { email, roles: ['viewer'] })),
    )
    const accepted = await Promise.all(
      people.map((person, at) =>
        call(at % 2 === 0 ? opened.app : other.app, '', 'POST', '/v1/invitations/accept', person, {
          authorization: `Bearer ${invited[at]?.body.token}`,
        }),
      ),
    )
    expect(accepted.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 429, 429, 429])
    expect((await shown(tenant)).used.seats).toBe(2)
  })

  test('sessions: the last one of the month is opened, and no other', async ({
    newTenant,
    owner,
    expect,
  }) => {
    const tenant = await newTenant('starter')
    await useUp(owner, tenant.id, { resource: 'sessions', spent: 99 })
    const open = () => tenant.calls('POST', '/v1/agentese/self/kgent/create', {})
    expect([(await open()).status, (await open()).status]).toEqual([200, 429])
    expect((await shown(tenant)).used.sessions_this_month).toBe(100)
  })

  test('storage: to the last byte, given back by forgetting, and taken again by restoring', async ({
    newTenant,
    puts,
    owner,
    expect,
  }) => {
    const tenant = await newTenant('pro', ['admin'])
    await puts(tenant, 'pro', { limits: { storage_bytes: 1000 } })
    const remember = (bytes: number) =>
      tenant.calls('POST', '/v1/agentese/self/memory/engram', { content: 'x'.repeat(bytes) })
    const used = async () => (await shown(tenant)).used.storage_bytes
    const first = await remember(600)
    expect(first.status, JSON.stringify(first.body)).toBe(200)
    const overhead = (await used()) - 600
    const tooMuch = await remember(400 - 2 * overhead + 1)
    expect(tooMuch).toMatchObject({
      status: 429,
      body: { code: 'QUOTA_EXCEEDED', details: { resource: 'storage_bytes', limit: 1000 } },
    })
    expect((await remember(400 - 2 * overhead)).status).toBe(200)
    expect(await used()).toBe(1000)
    const [memory] = await owner<{ id: string }[]>`
      select id from memories where tenant_id = ${tenant.id} order by bytes desc limit 1`
    const forgotten = await tenant.calls('POST', '/v1/agentese/self/memory/forget', { id: memory?.id })
    expect(forgotten.status, JSON.stringify(forgotten.body)).toBe(200)
    expect(await used()).toBe(400 - overhead)
    expect((await remember(1)).status).toBe(200)
    const restored = await tenant.calls('POST', '/v1/agentese/self/memory/restore', { id: memory?.id })
    expect(restored.body.code).toBe('QUOTA_EXCEEDED')
    expect(await owner`select from storage_changes where tenant_id = ${tenant.id}`).toHaveLength(0)
  })

  test('storage: written at once, never more than there is', async ({ newTenant, puts, owner, expect }) => {
    const tenant = await newTenant('pro', ['admin'])
    await puts(tenant, 'pro', { limits: { storage_bytes: 1000 } })
    const put = (at: number) =>
      tenant.calls('POST', '/v1/agentese/self/state/put', { key: `k${at}`, value: 'x'.repeat(98) })
    const answers = await Promise.all(Array.from({ length: 15 }, (_, at) => put(at)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10)
    const [row] = await owner`
      select bytes::int, (select sum(bytes)::int from states where tenant_id = ${tenant.id}) as counted
      from storage where tenant_id = ${tenant.id}`
    expect(row).toEqual({ bytes: 1000, counted: 1000 })
  })

  test('a tenant that is erased does not come back by what is given back', async ({
    newTenant,
    runtime,
    owner,
    expect,
  }) => {
    const tenant = await newTenant('pro', ['admin'])
    const leases = new CallLeases({ database: runtime.database })
    await leases.take({ tenant: tenant.id, plan: PLANS.pro })
    await tenant.calls('POST', '/v1/agentese/self/state/put', { key: 'k', value: 'x' })
    await owner.begin(async (db) => {
      for (const table of ['storage', 'allowances', 'states'])
        await db`delete from ${db(table)} where tenant_id = ${tenant.id}`
    })
    await leases.close()
    for (const table of ['storage', 'storage_changes', 'allowances'])
      expect(await owner`select from ${owner(table)} where tenant_id = ${tenant.id}`, table).toHaveLength(0)
  })

  test('storage: an answer that there is no room for fails its job', async ({
    newTenant,
    puts,
    settles,
    owner,
    expect,
  }) => {
    const tenant = await newTenant('pro', ['admin'])
    await puts(tenant, 'pro', { limits: { storage_bytes: 1000 } })
    const kgent = async (verb: string, input: object) =>
      (await tenant.calls('POST', `/v1/agentese/self/kgent/${verb}`, input)).body
    const { result } = await kgent('create', {})
    const { job } = await kgent('message', { session: result.id, message: 'Tell me all' })
    const types = await settles(tenant, () => ({ text: 'x'.repeat(1000) }))
    expect(types).toContain('io.kgents.job.failed')
    const { body } = await tenant.calls('GET', `/v1/jobs/${job.id}`)
    expect(body.job).toMatchObject({
      status: 'failed',
      error: { code: 'QUOTA_EXCEEDED' },
    })
    expect(await owner`select role from kgent_messages where tenant_id = ${tenant.id}`).toEqual([
      { role: 'user' },
    ])
  })

  test('a smaller plan refuses what is new, and nothing that is held', async ({
    newTenant,
    puts,
    expect,
  }) => {
    const tenant = await newTenant('pro', ['admin'])
    const define = (name: string) =>
      tenant.calls('POST', '/v1/agentese/world/agent/define', { name, instructions: 'Help' })
    expect([(await define('One')).status, (await define('Two')).status]).toEqual([200, 200])
    await puts(tenant, 'free', { limits: { agents: 1, storage_bytes: 1, seats: 0 } })
    expect(await shown(tenant)).toMatchObject({
      tier: 'free',
      limits: { agents: 1 },
      used: { agents: 2, seats: 1 },
    })
    const listed = await tenant.calls('POST', '/v1/agentese/world/agent/list', {})
    expect(listed.body.result.agents).toHaveLength(2)
    expect((await define('Three')).body.code).toBe('QUOTA_EXCEEDED')
    const retired = await tenant.calls('POST', '/v1/agentese/world/agent/retire', { agent: 'one' })
    expect(retired.status, JSON.stringify(retired.body)).toBe(200)
  })
})

describe('a feature', () => {
  test('is refused with its name and the smallest plan that has it', async ({ newTenant, owner, expect }) => {
    const tenant = await newTenant('free')
    const speak = (mode: string) =>
      tenant.calls('POST', '/v1/agentese/self/soul/dialogue', {
        message: 'Well then, my plan?',
        mode,
        budget: 'dormant',
      })
    expect((await speak('reflect')).status).toBe(200)
    expect(await speak('advise')).toMatchObject({
      status: 403,
      body: {
        code: 'TIER_REQUIRED',
        available: ['reflect'],
        details: { feature: 'soul.advise', tier: 'free', smallest_plan: 'pro' },
      },
    })
    expect(await owner`select from souls where tenant_id = ${tenant.id}`).toHaveLength(0)
  })

  test('comes and goes with the plan; a mode that was chosen before gives way to one that is left', async ({
    newTenant,
    puts,
    expect,
  }) => {
    const tenant = await newTenant('pro')
    const mode = (set?: string) =>
      tenant.calls('POST', '/v1/agentese/self/soul/mode', set === undefined ? {} : { set })
    expect((await mode('challenge')).body.result).toEqual({ mode: 'challenge', status: 'changed' })
    await puts(tenant, 'free')
    expect((await mode()).body.result).toEqual({ mode: 'reflect', status: 'current' })
    expect((await mode('challenge')).body.code).toBe('TIER_REQUIRED')
    await puts(tenant, 'free', { features: ['soul.reflect', 'soul.challenge'] })
    expect((await mode()).body.result.mode).toBe('challenge')
  })
})

describe('use past the plan', () => {
  test('is for the tenant to allow, and goes on only while its subscription is paid', async ({
    newTenant,
    owner,
    opened,
    passTime,
    expect,
  }) => {
    const tenant = await newTenant('pro', ['admin'])
    expect((await shown(tenant)).overage_allowed).toBe(false)
    const { body } = await tenant.calls('PATCH', '/v1/tenant', { overage_allowed: true })
    expect(body.tenant).toMatchObject({ overage_allowed: true })
    const { key } = await addKey(owner, tenant)
    expect((await opened.runtime.authenticateApiKey(key)).overage).toBe(true)
    await owner`update tenants set status = 'past_due' where id = ${tenant.id}`
    passTime()
    const identity = await opened.runtime.authenticateApiKey(key)
    expect(identity).toMatchObject({ overage: false, plan: { id: 'pro' } })
    const developer = await newTenant('pro')
    expect((await developer.calls('PATCH', '/v1/tenant', { overage_allowed: true })).status).toBe(403)
  })
})
